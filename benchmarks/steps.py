"""The same calls that archive a session, one after the other, as one would write them at first."""

import os
import threading
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import grpc
import requests
from google.protobuf.json_format import MessageToDict
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub

SERVER = f"{os.environ['BENCH_SERVER']}/api/v1"
VAULT = f"{os.environ.get('BENCH_VAULT', os.environ['BENCH_SERVER'])}/api/v1"
KEY = {"Authorization": f"Bearer {os.environ['VAULT_API_KEY']}"}
LOCAL = threading.local()
POLICY = "standard-365"


def connections() -> tuple[requests.Session, Any]:
    """This thread's session and channel, made when first used."""
    if not hasattr(LOCAL, "made"):
        channel = grpc.insecure_channel(os.environ["MEMORY_GRAPH_URL"].removeprefix("grpc://"))
        LOCAL.made = requests.Session(), MemoryGraphServiceStub(channel)
    return LOCAL.made


def entry(session_id: str) -> tuple[dict[str, Any], int]:
    """Read a session and its conversation; the archive's entry and the number of nodes."""
    http, graph = connections()
    session = http.get(f"{SERVER}/sessions/{session_id}").json()
    nodes = graph.Query(pb.QueryRequest(session_id=session_id, limit=100)).nodes
    return entry_of(session, nodes), len(nodes)


def entry_of(session: dict[str, Any], nodes: Iterable[Any]) -> dict[str, Any]:
    """The archive's entry of a session and its conversation."""
    session_id, data = session["session_id"], [MessageToDict(node) for node in nodes]
    archive_id = str(uuid5(NAMESPACE_URL, session_id))
    return {"id": archive_id, "session_id": session_id, "data": data, "retention_days": 365, "metadata": session}


def finish(session_id: str, archive_id: str, count: int) -> None:
    """Put the archive under its policy, look whether the session went on, and mark it."""
    http, graph = connections()
    http.put(f"{VAULT}/archive/{archive_id}/policy", json={"policy_id": POLICY}, headers=KEY).raise_for_status()
    if graph.Query(pb.QueryRequest(session_id=session_id, limit=1)).total_count == count:
        http.put(f"{SERVER}/sessions/{session_id}/status", json={"status": "archived"}).raise_for_status()


def archive(session_id: str) -> None:
    """Archive one session."""
    made, count = entry(session_id)
    connections()[0].post(f"{VAULT}/archive", json=made, headers=KEY).raise_for_status()
    finish(session_id, made["id"], count)


def archive_batch(session_ids: list[str]) -> None:
    """Archive some sessions, the vault's part in one request."""
    found = [entry(session_id) for session_id in session_ids]
    connections()[0].post(f"{VAULT}/archive/batch", json=[made for made, _ in found], headers=KEY).raise_for_status()
    for made, count in found:
        finish(made["session_id"], made["id"], count)


def archive_together(session_ids: list[str]) -> None:
    """Archive some sessions with the calls that the sweep makes for a part of its batch."""
    http, graph = connections()
    listed = http.post(f"{SERVER}/sessions/read", json=session_ids).json()["sessions"]
    read = _conversations(graph, session_ids, counts_alone=False)
    made = {one["session_id"]: entry_of(one, read[one["session_id"]].nodes) for one in listed}
    placed = [{**one, "policy_id": POLICY} for one in made.values()]
    _all_done(http.post(f"{VAULT}/archive/batch", json=placed, headers=KEY))
    counted = _conversations(graph, session_ids, counts_alone=True)
    changes = [
        {"session_id": session_id, "status": "archived", "if_ended_at": one["metadata"]["ended_at"]}
        for session_id, one in made.items()
        if counted[session_id].total_count == read[session_id].total_count
    ]
    _all_done(http.put(f"{SERVER}/sessions/status", json=changes))


def _conversations(graph: Any, session_ids: list[str], *, counts_alone: bool) -> dict[str, pb.QueryResponse]:
    asked = pb.GetConversationsRequest(session_ids=session_ids, counts_alone=counts_alone)
    return {one.session_id: one.found for one in graph.GetConversations(asked).conversations}


def _all_done(response: requests.Response) -> None:
    response.raise_for_status()
    if failed := response.json()["failed"]:
        raise RuntimeError(f"{len(failed)} of a batch failed: {failed[0]}")
