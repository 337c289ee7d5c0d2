"""Calls side by side: in order, no further ahead than there are threads, and nothing begun in vain."""

import threading
from collections.abc import Iterator

import pytest
from memory_graph_workers.tasks import connections, side_by_side
from support.waiting import LONGEST_SECS

MOST = 4


@pytest.fixture(autouse=True)
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CALLS_SIDE_BY_SIDE", str(MOST))
    monkeypatch.setenv("VAULT_API_KEY", "k")
    connections.forget()
    yield
    connections.forget()


def test_as_many_calls_are_under_way_as_there_are_threads() -> None:
    all_there = threading.Barrier(MOST, timeout=LONGEST_SECS)
    side_by_side.each(lambda _: all_there.wait(), range(2 * MOST))
    assert len(list(side_by_side.results(lambda _: all_there.wait(), range(2 * MOST)))) == 2 * MOST


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(side_by_side.results(lambda number: number * 2, range(50))) == [number * 2 for number in range(50)]


@pytest.mark.parametrize(("ahead", "most"), [(None, MOST), (1, 1)])
def test_items_are_read_no_further_ahead_than_there_are_threads_or_as_asked(ahead: int | None, most: int) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    results = side_by_side.results(lambda number: number, items(), ahead=ahead)
    assert next(results) == 0
    assert len(read) <= most + 1


def test_what_one_item_raises_comes_when_all_others_are_done() -> None:
    done: set[int] = set()

    def work(number: int) -> None:
        if number == 0:
            raise KeyError(number)
        done.add(number)

    with pytest.raises(KeyError):
        side_by_side.each(work, range(20))
    assert len(done) == 19


def test_who_takes_no_more_results_begins_no_more_work() -> None:
    begun: list[int] = []
    results = side_by_side.results(begun.append, range(1000))
    next(results)
    results.close()
    assert len(begun) <= MOST + 1


def test_short_work_is_done_where_it_is_asked_for_and_fails_in_its_place() -> None:
    here, threads = threading.get_ident(), dict[int, int]()

    def work(number: int) -> int:
        threads[number] = threading.get_ident()
        return 1 // (number - 6)

    results = side_by_side.results(work, range(8), lambda number: number % 2 == 0)
    taken = [next(results) for _ in range(6)]
    assert taken == [1 // (number - 6) for number in range(6)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert {number for number, thread in threads.items() if thread == here} == {0, 2, 4, 6}
