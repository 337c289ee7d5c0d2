"""Group commit: what comes during a transaction shares the next one, and an item fails by its own fault alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from memory_graph_workers.services.database.group_commit import GroupCommit
from sqlalchemy.exc import OperationalError
from support.waiting import LONGEST_SECS, until

AWAY = OperationalError(None, None, Exception("away"))


class LockNotAvailable(Exception):
    """What PostgreSQL says of a row that somebody else has locked for too long."""

    sqlstate = "55P03"


LOCKED = OperationalError(None, None, LockNotAvailable())


class Writing:
    """A `write` whose first transaction lasts until it is let go; notes each group, and fails for some items."""

    def __init__(self, fails=()):
        self.groups, self.go, self.fails = [], Event(), dict(fails)
        self.commit = GroupCommit(self._write)

    def _write(self, items):
        self.groups.append(list(items))
        if len(self.groups) == 1:
            assert self.go.wait(LONGEST_SECS)
        for item in items:
            if item in self.fails:
                raise self.fails[item]
        return [item * 10 for item in items]

    def all_at_once(self, items):
        """Write the first item, and the others while it is written; returns each one's result or error."""
        with ThreadPoolExecutor(len(items)) as pool:
            first = pool.submit(self.commit.write, items[0])
            until(lambda: self.groups)
            others = []
            for place, item in enumerate(items[1:], 1):
                others.append(pool.submit(self.commit.write, item))
                until(lambda place=place: len(self.commit._waiting) == place)
            self.go.set()
            return [future.exception(LONGEST_SECS) or future.result() for future in (first, *others)]


def test_what_comes_alone_is_written_at_once():
    writing = Writing()
    writing.go.set()
    assert [writing.commit.write(item) for item in (1, 2)] == [10, 20]
    assert writing.groups == [[1], [2]]


def test_what_comes_during_a_transaction_shares_the_next_one_and_each_gets_its_own_result():
    writing = Writing()
    assert writing.all_at_once([1, 2, 3, 4]) == [10, 20, 30, 40]
    assert writing.groups == [[1], [2, 3, 4]]
    assert writing.commit.write(5) == 50


@pytest.mark.parametrize("error", [ValueError("poison"), LOCKED])
def test_an_item_that_cannot_be_written_spoils_no_other(error):
    writing = Writing({3: error})
    assert writing.all_at_once([1, 2, 3, 4]) == [10, 20, error, 40]
    assert writing.groups[:2] == [[1], [2, 3, 4]]
    assert sorted(writing.groups[2:]) == [[2], [3], [4]]
    assert writing.commit.write(5) == 50


def test_items_of_a_group_that_cannot_be_written_do_not_wait_for_each_other():
    met = Barrier(3, timeout=LONGEST_SECS)

    def write(items):
        if len(items) > 1:
            raise LOCKED
        if items[0] != 1:
            met.wait()  # for the others, which are written at the same time
        return items

    writing = Writing()
    first = writing._write
    writing.commit._write = lambda items: first(items) if items == [1] else write(items)
    assert writing.all_at_once([1, 2, 3, 4]) == [10, 2, 3, 4]


def test_a_write_that_returns_too_little_hangs_nobody():
    writing = Writing()
    first = writing._write
    writing.commit._write = lambda items: first(items)[:1]
    assert writing.all_at_once([1, 2, 3])[0] == 10
    assert not writing.commit._is_writing


def test_while_the_database_is_away_the_items_of_a_group_are_not_tried_one_by_one():
    writing = Writing({3: AWAY})
    assert writing.all_at_once([1, 2, 3, 4]) == [10, AWAY, AWAY, AWAY]
    assert writing.groups == [[1], [2, 3, 4]]
    assert writing.commit.write(5) == 50


@pytest.mark.parametrize("error", [ValueError("poison"), AWAY, SystemExit()])
def test_what_comes_while_an_item_fails_is_written(error):
    writing = Writing({1: error})
    assert writing.all_at_once([1, 2]) == [error, 20]
    assert writing.groups == [[1], [2]]


def test_many_threads_get_what_they_wrote():
    groups = []

    def write(items):
        groups.append(len(items))
        return [item * 10 for item in items]

    commit = GroupCommit(write)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(commit.write, range(2000))) == [item * 10 for item in range(2000)]
    assert sum(groups) == 2000
