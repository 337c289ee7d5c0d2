"""A conversation that goes on after it was archived."""

from collections.abc import Callable

from faults.fleet import REGISTRY, Fleet, until
from faults.matrix import Row
from faults.template import AGE_SECS
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient


def continues(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let two archived sessions go on: one is reopened and completed again, the other only gets more usage."""
    reopened, used = fleet.sessions[11], fleet.sessions[12]
    fleet.start_workers(off=off)
    fleet.work(500)
    row.judge(fleet)
    fleet.reports += [len(fleet.reports) + number for number in range(2)]
    for number in fleet.reports[-2:]:
        fleet.send_report(number, used)
    fleet.settles()
    row.demand(fleet.effects().statuses[used] == "archived", f"usage made {used} {fleet.effects().statuses[used]}")
    fleet.stack.restart_registry(-AGE_SECS)  # so that its second end is due, too
    fleet.send("registry.reopen_session", REGISTRY, session_id=reopened)
    until(lambda: fleet.effects().statuses[reopened] == "active", 60, "the session is active again")
    with MemoryGraphClient(MemoryGraphConfig.from_env(fleet.stack.environ)) as graph:
        graph.add_prompt(reopened, "and what then?")
    fleet.send("registry.update_session_status", REGISTRY, session_id=reopened, status="completed")
    until(lambda: fleet.effects().statuses[reopened] == "completed", 60, "the session is completed again")
    fleet.stack.restart_registry()
    fleet.sweep()
    row.judge(fleet, revisions=1, figures={"archived": 1})
    archives = fleet.effects().archives
    row.demand(archives[reopened] == 2, f"{archives[reopened]} archives of the session that went on, not 2")
    row.runs = 2


def test_a_session_that_continues_after_it_was_archived(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a session that continues after it was archived",
        "reopened and completed again, it is archived as a revision; usage alone is counted and reopens nothing",
        "one is reopened, gets a prompt and is completed; another gets usage; then a second sweep; runs = sessions",
        46,
    )
    continues(fleet(), one)
    one.must_hold()
