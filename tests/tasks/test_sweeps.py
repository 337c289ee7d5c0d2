"""The state of a sweep: whatever is delivered twice counts once."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.sweeps import Page, Status, Sweeps


@pytest.fixture
def state() -> Iterator[Sweeps]:
    redis = FakeRedis()
    yield Sweeps(redis)
    redis.close()


def begun(state: Sweeps, sweep_id: str = "one") -> str:
    assert state.begin(sweep_id, Trigger.MANUAL, now())
    return sweep_id


def test_one_sweep_runs_at_a_time(state: Sweeps) -> None:
    begun(state)
    assert not state.begin("two", Trigger.BEAT, now())
    assert state.lease_holder() == "one"


def test_a_sweep_that_is_delivered_again_goes_on(state: Sweeps) -> None:
    begun(state)
    first = state.get("one")
    assert state.begin("one", Trigger.MANUAL, now())
    assert state.get("one") == first


def test_a_sweep_that_is_over_does_not_start_again(state: Sweeps) -> None:
    state.close(begun(state))
    assert not state.begin("one", Trigger.MANUAL, now())
    assert state.lease_holder() is None


def test_what_a_page_found_first_stays(state: Sweeps) -> None:
    begun(state)
    first = Page(["a"], Cursor(2, 1, "a"), 1)
    assert state.keep_page("one", 1, 0, first) == first
    assert state.keep_page("one", 1, 0, Page(["b"], None, 1)) == first
    assert state.found_in_pass("one", 1) == 1


def test_a_session_that_a_page_took_is_not_taken_again(state: Sweeps) -> None:
    begun(state)
    state.mark_seen("one", ["a"])
    assert state.unseen("one", ["a", "b"]) == ["b"]


def test_a_session_that_a_page_lists_twice_is_taken_once(state: Sweeps) -> None:
    begun(state)
    assert state.unseen("one", ["a", "b", "a"]) == ["a", "b"]


def test_a_late_second_run_of_a_page_does_not_turn_the_walk_back(state: Sweeps) -> None:
    begun(state)
    for index in (0, 1, 0):
        state.keep_page("one", 1, index, Page([], None, 1))
    assert state.get("one").last_page == "1:1"


def test_a_lease_that_outlived_its_sweep_is_dropped_by_late_work(state: Sweeps) -> None:
    state.close(begun(state))
    state._redis.set("memory_graph:sweep:lease", "one")
    assert state.progress("one") is None
    assert state.lease_holder() is None


def test_a_result_is_written_once(state: Sweeps) -> None:
    begun(state)
    state.add_batch("one", "batch", ["a", "b"])
    state.finish_batch("one", "batch", BatchResult(archived=2))
    state.finish_batch("one", "batch", BatchResult(failed={"a": "late"}))
    assert state.stats("one").archived_count == 2
    assert state.failures("one") == {}


def test_a_batch_that_is_done_is_not_pending_again(state: Sweeps) -> None:
    begun(state)
    assert state.add_batch("one", "batch", ["a"])
    state.finish_batch("one", "batch", BatchResult(archived=1))
    assert not state.add_batch("one", "batch", ["a"])
    assert state.pending_batches("one") == {}


def test_a_sweep_ends_when_walk_and_batches_are_done(state: Sweeps) -> None:
    begun(state)
    state.add_batch("one", "batch", ["a"])
    state.end_walk("one")
    assert not state.close_if_done("one")
    state.finish_batch("one", "batch", BatchResult(archived=1))
    assert state.close_if_done("one")
    assert state.get("one").status is Status.COMPLETED
    assert state.lease_holder() is None


def test_a_walk_that_broke_off_makes_the_sweep_incomplete_with_its_reason(state: Sweeps) -> None:
    begun(state)
    state.end_walk("one", "paused")
    assert state.close_if_done("one")
    assert (state.get("one").status, state.get("one").reason) == (Status.INCOMPLETE, "paused")


def test_the_counts_are_the_sum_of_results(state: Sweeps) -> None:
    begun(state)
    state.finish_batch("one", "x", BatchResult(2, {"c": "vanished"}, {}))
    state.finish_batch("one", "y", BatchResult(1, {}, {"d": "archived already"}))
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


def test_work_on_a_sweep_that_is_over_does_not_take_the_lease_back(state: Sweeps) -> None:
    state.close(begun(state))
    assert state.progress("one") is None
    assert state.progress("never was") is None
    assert state.lease_holder() is None


def test_work_on_a_sweep_takes_a_lapsed_lease_again(state: Sweeps) -> None:
    begun(state)
    state._redis.delete("memory_graph:sweep:lease")
    found = state.progress("one")
    assert found
    assert found.sweep_id == state.lease_holder() == "one"


def test_progress_starts_the_count_of_resumes_anew(state: Sweeps) -> None:
    begun(state)
    assert [state.count_resume("one") for _ in range(2)] == [1, 2]
    state.keep_page("one", 1, 0, Page(["a"], None, 1))
    assert state.count_resume("one") == 1
    state.finish_batch("one", "batch", BatchResult(archived=1))
    assert state.count_resume("one") == 1


def test_what_a_batch_has_marked_is_forgotten_with_its_result(state: Sweeps) -> None:
    begun(state)
    state.mark_marked("one", "batch", "a")
    assert state.marked("one", "batch") == {"a"}
    state.finish_batch("one", "batch", BatchResult(archived=1))
    assert state.marked("one", "batch") == set()
