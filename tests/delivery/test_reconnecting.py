"""A fleet that lost its server at one moment comes back spread over some seconds."""

import random
from itertools import islice

import pytest
from memory_graph_workers.delivery.worker.reconnecting import LONGEST_SECS, pause_of_refused, pauses

CLIENTS, SECS = 500, 60
MOST_PER_SEC = 500


def tries(workers: int, secs: float) -> list[list[float]]:
    """When each of so many clients tries to connect, in seconds since they lost their server, which does not answer."""
    rng = random.Random(7)
    found: list[list[float]] = []
    for _ in range(workers):
        at, own, waits = 0.0, list[float](), pauses(workers, rng)
        while (at := at + next(waits)) < secs:
            own.append(at)
        found.append(own)
    return found


def test_five_hundred_clients_try_at_most_five_hundred_times_a_second() -> None:
    found = sorted(at for own in tries(CLIENTS, SECS) for at in own)
    for secs in (1, 2, 5, 10, 30, SECS):
        assert sum(at < secs for at in found) <= MOST_PER_SEC * secs
    by_tenth = [sum(tenth <= 10 * at < tenth + 1 for at in found) for tenth in range(100)]
    assert max(by_tenth) <= 2 * MOST_PER_SEC / 10, "many came at one moment"
    assert min(by_tenth) > 0
    assert max(sum(at <= other < at + 1 for other in found) for at in found[::50]) <= MOST_PER_SEC


@pytest.mark.parametrize("workers", [1, 2, 100, CLIENTS, 5000])
def test_no_pause_is_longer_than_two_seconds_and_they_differ(workers: int) -> None:
    rng = random.Random(7)
    drawn = [list(islice(pauses(workers, rng), 50)) for _ in range(20)]
    assert all(0 <= secs <= LONGEST_SECS for own in drawn for secs in own)
    assert len({secs for own in drawn for secs in own}) == 20 * 50
    assert max(max(own[1:]) for own in drawn) > 0.9 * LONGEST_SECS


def test_a_small_fleet_is_back_at_once() -> None:
    assert next(pauses(1)) < 0.01
    assert next(pauses(20)) < 0.1


def test_a_server_that_refuses_is_left_alone_for_half_a_second() -> None:
    assert all(0.5 <= pause_of_refused() <= LONGEST_SECS for _ in range(100))
