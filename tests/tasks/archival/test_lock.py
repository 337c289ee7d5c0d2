"""The sweep lock: one sweep has it, and keeps it as long as it makes progress."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis
from memory_graph_workers.tasks.archival.lock import LOCK_SECS, SweepLock


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    redis = FakeRedis()
    yield redis
    redis.close()


def test_a_second_sweep_does_not_get_the_lock(redis: FakeRedis) -> None:
    lock = SweepLock(redis)
    assert lock.take("one")
    assert lock.take("one")
    assert not lock.take("two")
    assert lock.holder() == "one"


def test_a_lock_that_is_renewed_lasts_its_whole_time_again(redis: FakeRedis) -> None:
    lock = SweepLock(redis)
    lock.take("one")
    redis.expire("memory_graph:sweep:lease", 5)
    assert not lock.renew("two")
    assert lock.renew("one")
    assert redis.ttl("memory_graph:sweep:lease") > LOCK_SECS - 60


def test_only_its_holder_releases_the_lock(redis: FakeRedis) -> None:
    lock = SweepLock(redis)
    lock.take("one")
    lock.release("two")
    assert lock.holder() == "one"
    lock.release("one")
    assert lock.holder() is None
