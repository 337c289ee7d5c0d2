"""What a producer exports of its usage reporters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from memory_graph_workers.tasks.usage_metrics import MEANINGS, ReporterCollector
from prometheus_client import CollectorRegistry, generate_latest
from support.promtool import promtool as promtool
from support.waiting import until

REPORT: dict[str, Any] = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}


class Broker:
    """Takes what is sent, unless it is away."""

    away = True

    def send(self, checked: dict[str, Any], **options: Any) -> None:
        if self.away:
            raise OperationalError("away")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(track_usage_batch, "send_checked", made.send)
    return made


@pytest.fixture
def reporters(broker: Broker) -> Iterator[list[UsageReporter]]:
    made = [UsageReporter(most_waiting=most, batch_size=1) for most in (10, 30)]
    yield made
    broker.away = False
    for one in made:
        one.close()


def test_what_waits_in_all_reporters_is_added_up(
    broker: Broker, reporters: list[UsageReporter], promtool: Callable[[str], str]
) -> None:
    registry = CollectorRegistry()
    registry.register(ReporterCollector(*reporters))
    for reporter in (reporters[0], reporters[0], reporters[1]):
        reporter.report(**REPORT)
    assert [registry.get_sample_value(name) for name in MEANINGS] == [3, 40, 0]
    assert promtool(generate_latest(registry).decode()) == ""
    broker.away = False
    until(lambda: registry.get_sample_value("mgw_reporter_backlog") == 0)


def test_what_was_dropped_is_counted(broker: Broker) -> None:
    registry, reporter = CollectorRegistry(), UsageReporter(most_waiting=1, when_full="drop")
    registry.register(ReporterCollector(reporter))
    for _ in range(3):
        reporter.report(**REPORT)
    assert registry.get_sample_value("mgw_reporter_dropped_total") == 2
    broker.away = False
    reporter.close()
