"""Rows of the Registry's listing that a sweep could not use: in `mgw sweeps` and in the doctor."""

import json

import pytest
from click.testing import CliRunner
from fakeredis import FakeRedis
from memory_graph_workers.cli.doctor.finding import State
from memory_graph_workers.cli.doctor.sweeps import check_sweeps
from memory_graph_workers.cli.sweeps import command
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.row_faults import UNKNOWN, UNREADABLE, RowFaults
from memory_graph_workers.tasks.archival.state import Sweeps

NAMED = {"sessions.5.status": UNKNOWN, "sessions.1205.total_tokens": UNREADABLE}


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    redis = FakeRedis()
    monkeypatch.setattr(connections, "redis", lambda: redis)
    return Sweeps(redis)


def swept(sweeps: Sweeps, faults: RowFaults) -> None:
    """A sweep whose listing had these faults, and that has ended."""
    sweeps.begin("one", Trigger.MANUAL, now())
    sweeps.keep_page("one", Page(Position(), {}, None, rows=faults))
    sweeps.close("one")


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(command, ["show", "one", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_sweep_counts_and_names_them_also_after_its_end(sweeps: Sweeps) -> None:
    swept(sweeps, RowFaults(1, 1, NAMED))
    told = json.loads(shown("--json"))
    assert told["reason"] is None
    assert (told["unreadable_rows"], told["unknown_statuses"], told["rows"]) == (1, 1, NAMED)
    assert all(name in shown() for name in NAMED)


def test_those_that_were_not_named_are_told_of(sweeps: Sweeps) -> None:
    swept(sweeps, RowFaults(7, 1, NAMED))
    assert "6 more rows" in shown()


@pytest.mark.parametrize(
    ("faults", "state", "found"),
    [
        (RowFaults(), State.OK, "every row could be used"),
        (RowFaults(1, 0, NAMED), State.WARNING, "1 row skipped, 0 sessions of unknown status"),
        (RowFaults(0, 1, NAMED), State.WARNING, "0 rows skipped, 1 session of unknown status"),
        (RowFaults(2, 3, NAMED), State.WARNING, "2 rows skipped, 3 sessions of unknown status"),
    ],
)
def test_the_doctor_warns_of_both(sweeps: Sweeps, faults: RowFaults, state: State, found: str) -> None:
    swept(sweeps, faults)
    [finding] = [one for one in check_sweeps() if one.check == "registry: listing"]
    assert (finding.state, finding.found) == (state, found)
    assert "mgw sweeps show one" in finding.fix or state is State.OK
