"""The checks of the doctor run beside each other."""

from memory_graph_workers.cli.doctor.checks import checks_of, examine
from memory_graph_workers.cli.doctor.finding import State
from memory_graph_workers.cli.stack.ports import free_port
from support.scraping import target_at
from support.silent import silent as silent


def test_queues_are_looked_up_before_the_first_check() -> None:
    """Looking them up adds to the app's queues: a thread that goes through those would fail."""
    target = target_at(f"redis://127.0.0.1:{free_port()}/0")
    checks_of(target)
    assert "queues" in vars(target)


def test_a_redis_that_says_nothing_is_one_finding_and_no_wait_of_each_check(silent: str) -> None:
    found = examine(checks_of(target_at(silent)))
    (failed,) = (one for one in found if one.state is State.FAILURE)
    assert failed.found == f"Redis at {silent} has not answered within 3 seconds."
    assert "restart it if it hangs" in failed.fix
    assert [one.found for one in found if one.state is State.SKIPPED] == ["not checked: Redis does not answer"]
