"""The console's pages about sweeps: the newest, one of them, pause and resume, and the dry run."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.flower.console.dry_run import MOST_SESSIONS
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.row_faults import UNREADABLE, RowFaults
from memory_graph_workers.tasks.archival.state import Sweeps
from support.broker import Broker
from support.console import USER, Visitor, console
from support.console import flower as flower
from support.fakes.archival_server import ArchivalServer
from support.fakes.graph_server import FakeGraph
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import until

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J"


@pytest.fixture
def state(broker: Broker) -> Sweeps:
    return Sweeps(broker.redis)


def under_way(state: Sweeps, sweep_id: str = "one") -> None:
    """A sweep that has listed six sessions, of which four have no result yet."""
    state.begin(sweep_id, Trigger.BEAT, now())
    batches = {"b-1": ["s-1", "s-2"], "b-2": ["s-3", "s-4", "s-5", "s-6"]}
    state.keep_page(sweep_id, Page(Position(), batches, None, rows=RowFaults(1, 0, {"sessions.7.status": UNREADABLE})))
    state.finish_batch(sweep_id, "b-1", ["s-1", "s-2"], BatchResult(1, {"s-2": HOSTILE}, {}))


def test_the_newest_sweeps_say_how_far_they_are(flower: Visitor, state: Sweeps) -> None:
    under_way(state)
    text = flower.get("/sweeps").text
    assert re.search(r"one \d+ s ago beat running 6 1 1 0 1", text)


def test_one_sweep_says_why_sessions_are_left_and_which_rows_had_faults(flower: Visitor, state: Sweeps) -> None:
    under_way(state)
    answer = flower.get("/sweeps/sweep/one")
    assert "sessions without a result 4 batches in flight 1" in answer.text
    assert r"s-2 <img src=x onerror=alert(1)>\x1b[2J" in answer.text
    assert "<img src=x" not in answer.html
    assert f"sessions.7.status {UNREADABLE}" in answer.text


def test_a_sweep_that_is_none_is_not_found(flower: Visitor, state: Sweeps) -> None:
    answer = flower.get("/sweeps/sweep/%3Cb%3E")
    assert answer.status == 404
    assert "There is no sweep <b>." in answer.text


def test_sweeps_are_paused_and_resumed_and_the_log_says_by_whom(flower: Visitor, state: Sweeps) -> None:
    told = len(flower.actions())
    flower.get("/sweeps")
    assert "Sweeps are paused: none starts." in flower.did("/sweeps", action="pause").text
    assert state.paused()
    assert "Sweeps are resumed" in flower.did("/sweeps", action="resume").text
    assert not state.paused()
    lines = [(line["user"], line["action"], line["outcome"]) for line in flower.actions()[told:]]
    assert lines == [(USER, "pause", "done"), (USER, "resume", "done")]


def test_without_a_token_nothing_is_paused(flower: Visitor, state: Sweeps) -> None:
    assert flower.post("/sweeps", "", action="pause").status == 403
    assert flower.post("/sweeps/dry-run", "").status == 403
    assert not state.paused()


def test_without_the_settings_of_the_services_a_dry_run_says_what_it_needs(flower: Visitor, broker: Broker) -> None:
    flower.get("/sweeps/dry-run")
    answer = flower.post("/sweeps/dry-run")
    assert answer.status == 200
    assert "This Flower does not know the services." in answer.text
    assert "VAULT_API_KEY" in answer.text


class SlowGraph(FakeGraph):
    """Takes its time for each conversation."""

    def Query(self, request: pb.QueryRequest, context: Any) -> pb.QueryResponse:  # noqa: N802
        time.sleep(0.1)
        return super().Query(request, context)


def services(server: ArchivalServer, graph: FakeGraph) -> dict[str, str]:
    keys = {"REGISTRY_API_KEY": "k", "VAULT_API_KEY": "k"}
    return {"REGISTRY_URL": server.url, "VAULT_URL": server.url, "MEMORY_GRAPH_URL": graph.url, **keys}


def test_a_dry_run_ends_when_its_browser_goes_away_and_is_the_only_one(broker: Broker, tmp_path: Path) -> None:
    with (
        ArchivalServer(2000, 1) as server,
        SlowGraph("hello") as graph,
        console(broker.url, tmp_path, **services(server, graph)) as visitor,
    ):
        visitor.get("/sweeps/dry-run")
        browser = visitor.waits_for("/sweeps/dry-run")
        until(lambda: server.read > 20)
        assert visitor.post("/sweeps/dry-run").status == 409
        browser.close()
        until(lambda: is_quiet(server))
        assert server.read < MOST_SESSIONS


def is_quiet(server: ArchivalServer) -> bool:
    """Whether nobody reads a session for a second."""
    before = server.read
    time.sleep(1)
    return server.read == before


def test_a_dry_run_lists_what_is_due_and_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    with (
        ArchivalServer(12, 4) as server,
        FakeGraph("hello") as graph,
        console(broker.url, tmp_path, **services(server, graph)) as visitor,
    ):
        visitor.get("/sweeps/dry-run")
        answer = visitor.post("/sweeps/dry-run")
        [line] = visitor.actions()
    assert "3 sessions" in answer.text
    assert (line["user"], line["action"]) == (USER, "dry run")
    assert "Nothing was changed." in answer.text
    assert not server.archived
    assert not server.stored
