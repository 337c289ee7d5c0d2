"""The state of a sweep: whatever is delivered twice counts once."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import MOST_REASONS, Status, Sweeps


@pytest.fixture
def state() -> Iterator[Sweeps]:
    redis = FakeRedis()
    yield Sweeps(redis)
    redis.close()


def begun(state: Sweeps, sweep_id: str = "one") -> str:
    assert state.begin(sweep_id, Trigger.MANUAL, now())
    return sweep_id


def page(index: int, *ids: str) -> Page:
    """A page with one batch, named by its number, or with none."""
    return Page(Position(index=index), {str(index): list(ids)} if ids else {}, Cursor(index + 2))


def test_one_sweep_runs_at_a_time(state: Sweeps) -> None:
    begun(state)
    assert not state.begin("two", Trigger.BEAT, now())
    assert state.lock.holder() == "one"


def test_a_sweep_that_is_delivered_again_goes_on(state: Sweeps) -> None:
    begun(state)
    first = state.get("one")
    assert state.begin("one", Trigger.MANUAL, now())
    assert state.get("one") == first


def test_a_sweep_that_is_over_does_not_start_again(state: Sweeps) -> None:
    state.close(begun(state))
    assert not state.begin("one", Trigger.MANUAL, now())
    assert state.lock.holder() is None


def test_what_a_page_found_first_stays(state: Sweeps) -> None:
    begun(state)
    first = Page(Position(), {"one-1": ["a"]}, Cursor(2, 1, "a"), ["b"], 2, 3)
    assert state.keep_page("one", first)
    assert not state.keep_page("one", page(0, "c"))
    assert state.page("one") == first
    assert set(state.pending_batches("one")) == {"one-1"}


def test_a_session_that_a_page_took_is_not_taken_again(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", Page(Position(), {"batch": ["a"]}, None, ["b"]))
    assert state.untaken("one", ["a", "b", "c", "c"]) == ["c"]


def test_an_archived_session_is_remembered_until_a_page_was_listed_after_it(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    state.finish_batch("one", "0", ["a"], BatchResult(archived=1))
    assert state.untaken("one", ["a"]) == []  # a listing read before the end has it still
    state.keep_page("one", page(1, "b"))
    assert state.untaken("one", ["a"]) == ["a"]  # the Registry calls it archived now


def test_a_session_that_was_left_is_remembered_as_long_as_the_sweep_runs(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a", "b"))
    state.finish_batch("one", "0", ["a", "b"], BatchResult(0, {"a": "too large"}, {"b": "not due any more"}))
    for index in (1, 2):
        state.keep_page("one", page(index))
    assert state.untaken("one", ["a", "b"]) == []


def test_a_late_second_run_of_a_page_does_not_turn_the_walk_back(state: Sweeps) -> None:
    begun(state)
    assert [state.keep_page("one", page(index)) for index in (0, 1, 0)] == [True, True, False]
    kept = state.page("one")
    assert kept
    assert kept.position.index == 1


def test_a_walk_that_ended_takes_no_page(state: Sweeps) -> None:
    begun(state)
    state.end_walk("one")
    assert not state.keep_page("one", page(0, "a"))
    assert state.pending_batches("one") == {}


def test_what_redis_keeps_of_a_sweep_does_not_grow_with_it(state: Sweeps) -> None:
    begun(state)
    sizes: list[int] = []
    for index in range(200):
        state.keep_page("one", page(index, *(f"session-{index:04}-{number:02}" for number in range(20))))
        _finish(state, index)
        sizes.append(sum(len(state._redis.dump(key)) for key in state._redis.keys("*")))
    assert sizes[-1] < 1.02 * sizes[10]
    assert state.stats("one").archived_count == 4_000


def test_only_so_many_reasons_are_kept(state: Sweeps) -> None:
    begun(state)
    ids = [str(number) for number in range(MOST_REASONS + 5)]
    state.keep_page("one", page(0, *ids))
    state.finish_batch("one", "0", ids, BatchResult(failed=dict.fromkeys(ids, "too large")))
    assert state.stats("one").failed_count == MOST_REASONS + 5
    assert len(state.failures("one")) == MOST_REASONS


def test_a_walk_without_room_is_called_once_by_the_end_of_a_batch(state: Sweeps) -> None:
    begun(state)
    for index in range(3):
        state.keep_page("one", page(index, str(index)))
    assert state.waits_for_room("one", 3)
    assert [_finish(state, index, 3) for index in range(3)] == [True, False, False]
    assert state.walk_may_resume("one", 3)  # as long as no page came
    state.keep_page("one", page(3))
    assert not state.walk_may_resume("one", 3)


def test_a_walk_with_room_does_not_wait(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    assert not state.waits_for_room("one", 2)
    assert not _finish(state, 0, 2)


def test_a_lock_that_outlived_its_sweep_is_released_by_late_work(state: Sweeps) -> None:
    state.close(begun(state))
    state._redis.set("memory_graph:sweep:lease", "one")
    assert state.progress("one") is None
    assert state.lock.holder() is None


def test_a_result_counts_once(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a", "b"))
    state.finish_batch("one", "0", ["a", "b"], BatchResult(archived=2))
    state.finish_batch("one", "0", ["a", "b"], BatchResult(failed={"a": "late"}))
    assert state.stats("one").archived_count == state.stats("one").total_processed == 2
    assert state.failures("one") == {}


def test_a_batch_that_is_done_is_not_pending_again(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    assert state.is_pending("one", "0")
    _finish(state, 0)
    assert not state.is_pending("one", "0")
    kept = state.page("one")
    assert kept
    assert kept.batches == {}


def test_a_sweep_ends_when_walk_and_batches_are_done(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    state.end_walk("one")
    assert not state.close_if_done("one")
    _finish(state, 0)
    assert state.close_if_done("one")
    assert state.get("one").status is Status.COMPLETED
    assert state.lock.holder() is None


def test_work_on_a_sweep_that_a_failover_lost_ends_without_an_error(state: Sweeps) -> None:
    state._redis.delete(f"memory_graph:sweep:{begun(state)}")
    assert state.progress("one") is None
    state.end_walk("one")
    assert not state.finish_batch("one", "batch", ["a"], BatchResult(1))
    assert not state.close_if_done("one")


def test_a_walk_that_broke_off_makes_the_sweep_incomplete_with_its_reason(state: Sweeps) -> None:
    begun(state)
    state.end_walk("one", "paused")
    assert state.close_if_done("one")
    assert (state.get("one").status, state.get("one").reason) == (Status.INCOMPLETE, "paused")


def test_the_counts_are_the_sum_of_results(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a", "b", "c"))
    state.keep_page("one", page(1, "d", "e"))
    state.finish_batch("one", "0", ["a", "b", "c"], BatchResult(2, {"c": "vanished"}, {}))
    state.finish_batch("one", "1", ["d", "e"], BatchResult(1, {}, {"d": "archived already"}))
    stats = state.stats("one")
    assert (stats.total_processed, stats.archived_count, stats.failed_count, stats.skipped_count) == (5, 3, 1, 1)
    assert stats.success_rate() == 60
    assert state.failures("one") == {"c": "vanished"}


def test_the_success_rate_of_nothing_is_zero(state: Sweeps) -> None:
    assert state.stats(begun(state)).success_rate() == 0


def test_a_pause_holds_until_it_is_taken_back(state: Sweeps) -> None:
    state.pause()
    assert state.paused()
    state.resume()
    assert not state.paused()


def test_work_on_a_sweep_that_is_over_does_not_take_the_lock_back(state: Sweeps) -> None:
    state.close(begun(state))
    assert state.progress("one") is None
    assert state.progress("never was") is None
    assert state.lock.holder() is None


def test_work_on_a_sweep_takes_a_lapsed_lock_again(state: Sweeps) -> None:
    begun(state)
    state._redis.delete("memory_graph:sweep:lease")
    found = state.progress("one")
    assert found
    assert found.sweep_id == state.lock.holder() == "one"


def test_progress_starts_the_count_of_resumes_anew(state: Sweeps) -> None:
    begun(state)
    assert [state.count_resume("one") for _ in range(2)] == [1, 2]
    state.keep_page("one", page(0, "a"))
    assert state.count_resume("one") == 1
    _finish(state, 0)
    assert state.count_resume("one") == 1


def test_a_count_that_is_no_number_ends_no_sweep_and_is_named(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    state._redis.hset("memory_graph:sweep:one", mapping={"archived": "junk", "resumes": "junk"})
    found = state.progress("one")
    assert found
    assert (found.counts, found.broken) == ((0, 0, 0), ("archived",))
    assert state.count_resume("one") == 1
    _finish(state, 0)
    assert state.get("one").counts == (1, 0, 0)
    assert state.get("one").broken == ()


def test_what_a_batch_has_marked_is_forgotten_with_its_result(state: Sweeps) -> None:
    begun(state)
    state.keep_page("one", page(0, "a"))
    state.remember_marked("one", "0", ["a"])
    assert state.marked("one", "0") == {"a"}
    _finish(state, 0)
    assert state.marked("one", "0") == set()


def _finish(state: Sweeps, index: int, most: int = 64) -> bool:
    """Archive what a page's batch holds."""
    ids = state.pending_batches("one")[str(index)]
    return state.finish_batch("one", str(index), ids, BatchResult(archived=len(ids)), most)
