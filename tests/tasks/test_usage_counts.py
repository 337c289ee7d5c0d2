"""What became of usage reports is counted in Redis, of batches and of single ones."""

from collections.abc import Callable, Iterator

import pytest
from celery import states
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.usage_batch import track_usage_batch
from memory_graph_workers.tasks.usage_counts import KEY, ask_counts, count_single, read_counts
from support.broker import Broker
from support.broker import broker as broker
from support.fakes.http_server import answer
from support.fakes.usage import Attempts, Registry

BATCHES = answer(200, {"capabilities": {"idempotency": {"kept_days": None}, "usage_batch": {"most": 1000}}})
REPORT = {"prompt_tokens": 1, "completion_tokens": 2}


@pytest.fixture
def counts(
    broker: Broker, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], dict[str, int]]]:
    monkeypatch.setenv("REDIS_URL", broker.url)
    connections.forget()

    def read() -> dict[str, int]:
        with connections.redis().pipeline() as pipe:
            ask_counts(pipe)
            return read_counts(pipe.execute())

    yield read
    connections.redis().close()


def test_reports_that_were_accepted_and_that_failed_for_good_are_counted(
    counts: Callable[[], dict[str, int]], registry: Registry, attempts: Attempts
) -> None:
    failed = {"index": 1, "status": 422, "reason": "invalid"}
    registry.health, registry.batch = BATCHES, answer(200, {"accepted": 2, "failed": [failed]})
    reports = [{"session_id": one, "idempotency_key": f"k-{one}", **REPORT} for one in "abc"]
    attempts.run(track_usage_batch, {"reports": reports})
    assert counts() == {"accepted": 2, "failed": 1}
    for state in (states.SUCCESS, states.FAILURE, states.RETRY):
        count_single(track_usage, state=state)
    count_single(track_usage_batch, state=states.SUCCESS)
    assert counts() == {"accepted": 3, "failed": 2}


def test_a_count_that_is_no_number_begins_from_zero_again(counts: Callable[[], dict[str, int]]) -> None:
    connections.redis().hset(KEY, "accepted", "junk")
    assert counts() == {"accepted": 0, "failed": 0}
    count_single(track_usage, state=states.SUCCESS)
    count_single(track_usage, state=states.SUCCESS)
    assert counts() == {"accepted": 2, "failed": 0}
