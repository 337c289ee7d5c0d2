"""What the reporter takes, when it sends, and what it never drops."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import orjson
import pytest
from kombu import serialization
from kombu.exceptions import OperationalError
from memory_graph_workers.delivery import DeliveryUncertain
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import KeyedUsageReport, UsageReport
from memory_graph_workers.tasks import usage
from memory_graph_workers.tasks.usage import BacklogFull, UsageReporter
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from support.waiting import LONGEST_SECS, until

REPORT: dict[str, Any] = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}


class Broker:
    """Takes batches in place of a real one, unless it is away."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[dict[str, Any]]]] = []
        self.tried: list[str] = []
        self.away = False
        self.error: OperationalError = OperationalError("away")

    def send(self, checked: dict[str, Any], task_id: str, **options: Any) -> None:
        self.tried.append(task_id)
        if self.away:
            raise self.error
        self.batches.append((task_id, orjson.loads(orjson.dumps(checked["reports"]))))

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for _, batch in self.batches]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(track_usage_batch, "send_checked", made.send)
    return made


@pytest.fixture
def reporter(broker: Broker) -> Iterator[Callable[..., UsageReporter]]:
    made: list[UsageReporter] = []

    def make(**options: Any) -> UsageReporter:
        made.append(UsageReporter(**options))
        return made[-1]

    yield make
    broker.away = False
    for one in made:
        one.flush()


def test_a_full_batch_goes_out_at_once_and_the_rest_after_the_interval(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one = reporter(batch_size=10, interval_secs=2)
    for _ in range(25):
        one.report(**REPORT)
    until(lambda: broker.sizes[:2] == [10, 10])
    until(lambda: broker.sizes == [10, 10, 5])


def test_close_sends_what_waits_and_takes_no_more(reporter: Callable[..., UsageReporter], broker: Broker) -> None:
    with reporter(interval_secs=60) as one:
        one.report(**REPORT)
    assert broker.sizes == [1]
    with pytest.raises(RuntimeError, match="closed"):
        one.report(**REPORT)


def test_a_report_goes_as_it_would_by_itself_under_its_key(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one = reporter()
    keys = [one.report(UsageReport("s", 1, 2), idempotency_key="k"), one.report(**REPORT), one.report(**REPORT)]
    one.flush()
    ((_, batch),) = broker.batches
    assert [sent["idempotency_key"] for sent in batch] == keys
    assert len(set(keys)) == 3
    assert keys[0] == "k"
    assert {**batch[0], "timestamp": ""} == {
        "session_id": "s",
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "model_id": "",
        "latency_ms": None,
        "metadata": {},
        "timestamp": "",
        "idempotency_key": "k",
    }
    assert track_usage_batch.checked((), {"reports": batch}) == {"reports": batch}


def test_its_message_is_json_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []

    def send(checked: dict[str, Any], serializer: str, **options: Any) -> None:
        kind, encoding, body = serialization.dumps(((), checked, {}), serializer)
        assert (kind, encoding) == serialization.dumps((), "json")[:2]
        assert cast(Any, serialization).registry.type_to_name[kind] == "json"
        sent.append(body)

    monkeypatch.setattr(track_usage_batch, "send_checked", send)
    with UsageReporter() as one:
        one.report(**REPORT, idempotency_key="k", metadata={"text": "é\u2028"}, timestamp="2026-01-31T12:00:00Z")
    ((_, kwargs, _),) = (serialization.loads(body, "application/json", "utf-8") for body in sent)
    assert kwargs["reports"][0]["metadata"] == {"text": "é\u2028"}
    assert track_usage_batch.checked((), kwargs) == kwargs


@pytest.mark.parametrize(
    "wrong",
    [{"session_id": ""}, {"prompt_tokens": -1}, {"tokens": 1}, {"total_tokens": 2}, {"idempotency_key": "a b"}],
    ids=str,
)
def test_a_wrong_report_is_refused_at_once(reporter: Callable[..., UsageReporter], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        reporter().report(**{**REPORT, **wrong})
    assert set(caught.value.messages) == set(wrong)


@pytest.mark.parametrize("error", [OperationalError("away"), DeliveryUncertain(0, 1, ["id"])])
def test_while_the_broker_is_away_nothing_is_dropped_and_a_batch_keeps_its_id(
    reporter: Callable[..., UsageReporter], broker: Broker, error: OperationalError
) -> None:
    broker.away, broker.error = True, error
    one = reporter(batch_size=2)
    for _ in range(4):
        one.report(**REPORT)
    until(lambda: len(broker.tried) > 1)
    with pytest.raises(OperationalError, match="4 usage reports are not sent"):
        one.flush(0.05)
    broker.away = False
    one.flush()
    assert broker.sizes == [2, 2]
    assert set(broker.tried) == {task_id for task_id, _ in broker.batches}


def test_at_the_bound_it_raises_or_blocks_until_there_is_room(
    reporter: Callable[..., UsageReporter], broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.away = True
    raises, blocks = reporter(most_waiting=2, when_full="raise"), reporter(most_waiting=2)
    for one in (raises, blocks):
        one.report(**REPORT)
        one.report(**REPORT)
    with pytest.raises(BacklogFull, match="2 usage reports wait"):
        raises.report(**REPORT)
    monkeypatch.setattr(usage, "LONGEST_BLOCK_SECS", 0.1)
    with pytest.raises(BacklogFull):
        blocks.report(**REPORT)
    monkeypatch.setattr(usage, "LONGEST_BLOCK_SECS", 30)
    threading.Timer(0.2, setattr, [broker, "away", False]).start()
    blocks.report(**REPORT)


def test_at_the_bound_it_drops_counts_and_says_so_once(
    reporter: Callable[..., UsageReporter], broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.away = True
    drops = reporter(most_waiting=2, when_full="drop")
    keys = [drops.report(**REPORT) for _ in range(5)]
    assert (drops.dropped, drops.backlog, len(set(keys))) == (3, 2, 5)
    told = [record.getMessage() for record in caplog.records if "dropped" in record.getMessage()]
    assert told == ["1 usage reports dropped so far, for 2 wait to be sent: is the broker up?"]
    broker.away = False
    drops.flush()
    drops.report(**REPORT)
    assert drops.dropped == 3


def test_threads_share_a_reporter(reporter: Callable[..., UsageReporter], broker: Broker) -> None:
    one = reporter()
    threads = [threading.Thread(target=lambda: [one.report(**REPORT) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.flush()
    assert sum(broker.sizes) == 4000
    assert len({report["idempotency_key"] for _, batch in broker.batches for report in batch}) == 4000


def test_a_forked_child_sends_its_own_and_leaves_its_parents(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one = reporter(interval_secs=60)
    one.report(**REPORT, idempotency_key="the-parents")
    child = os.fork()
    if child == 0:
        one.report(**REPORT, idempotency_key="a-childs")
        one.flush()
        os._exit(0 if broker.sizes == [1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    one.flush()
    assert [report["idempotency_key"] for _, batch in broker.batches for report in batch] == ["the-parents"]


def test_a_child_of_multiprocessing_sends_what_it_has_when_it_ends() -> None:
    # In an interpreter of its own: what other tests have open here is not what the child is about.
    code = f"""
import multiprocessing
from memory_graph_workers.tasks.usage import UsageReporter, track_usage_batch
context = multiprocessing.get_context("fork")
sent, one = context.SimpleQueue(), UsageReporter(interval_secs=60)
def work():
    track_usage_batch.send_checked = lambda checked, **options: sent.put(len(checked["reports"]))
    one.report(**{REPORT})
child = context.Process(target=work)
child.start()
child.join(20)
print(sent.get() if not sent.empty() else "nothing")
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONGEST_SECS, check=True
    )
    assert told.stdout == "1\n"


def test_what_its_sender_changes_later_is_not_sent(reporter: Callable[..., UsageReporter], broker: Broker) -> None:
    one, metadata = reporter(), {"number": 0}
    for number in range(3):
        metadata["number"] = number
        one.report(**REPORT, metadata=metadata)
    one.flush()
    ((_, batch),) = broker.batches
    assert [report["metadata"]["number"] for report in batch] == [0, 1, 2]


def test_under_a_key_of_its_senders_a_report_is_the_same_again(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one = reporter()
    for given in ({**REPORT, "idempotency_key": "k"}, {**REPORT, "idempotency_key": "k"}):
        one.report(**given)
    one.report(KeyedUsageReport("s", 1, 2, idempotency_key="own"))
    one.flush()
    ((_, (first, second, third)),) = broker.batches
    assert first == second
    assert third["idempotency_key"] == "own"


def test_one_that_would_take_others_along_is_refused(reporter: Callable[..., UsageReporter]) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"x": deep}
    for metadata in (deep, {"a": [{"__type__": "shape", "__value__": 1}]}, {"long": "x" * 70_000}):
        with pytest.raises(ValidationError) as caught:
            reporter().report(**REPORT, metadata=metadata)
        assert set(caught.value.messages) == {"metadata"}


def test_flush_waits_for_what_was_there_and_not_for_what_comes(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one, stopped = reporter(batch_size=5), threading.Event()

    def go_on() -> None:
        while not stopped.wait(0.001):
            one.report(**REPORT)

    others = threading.Thread(target=go_on)
    others.start()
    try:
        one.flush(LONGEST_SECS)
    finally:
        stopped.set()
        others.join()


def test_a_closed_reporter_leaves_no_thread(broker: Broker) -> None:
    for _ in range(5):
        with UsageReporter() as one:
            one.report(**REPORT)
    until(lambda: one._thread is not None and not one._thread.is_alive())
    assert sum(broker.sizes) == 5


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"most_waiting": 0}, {"interval_secs": 0}, {"when_full": "lose"}])
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        UsageReporter(**wrong)


def test_a_batch_ends_where_it_is_large_and_the_rest_does_not_wait_longer(
    reporter: Callable[..., UsageReporter], broker: Broker
) -> None:
    one, started = reporter(interval_secs=4), time.monotonic()
    for _ in range(40):
        one.report(**REPORT, metadata={"text": "x" * 65_000, "number": 10**30})
    until(lambda: sum(broker.sizes) == 40)
    assert broker.sizes == [17, 17, 6]
    assert time.monotonic() - started < 7.5
