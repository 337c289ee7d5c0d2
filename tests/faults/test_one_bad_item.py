"""One bad item among good ones, in the graph, in a batch, in a queue; and a service that only looks up."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from faults.fleet import REGISTRY, Fleet, until
from faults.matrix import Row
from faults.proxy import answers, passes
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from support.our_app import KEYS

MILLISECONDS = 1_764_335_472_000  # where seconds belong
POISONED, REPEATS = "acme/poisoned", 20
HELD_SECS, SETTLING_SECS, BACK_SECS = 30.0, 5.0, 30.0
PAUSE = "memory_graph:breaker:vault:pause"
ADD_NODE = """
INSERT INTO nodes (node_id, session_number, node_type, created_at, message)
SELECT 'poison', number, ?, created_at, ? FROM sessions WHERE session_id = ?
"""


def poison_in_the_graph(fleet: Fleet, session_id: str) -> None:
    """Put a tool's call into the graph, past its checks, whose time is in milliseconds, as another graph lets it be."""
    node = pb.ToolInvocationNode(id="poison", tool_name="clock")
    node.timestamp.seconds = MILLISECONDS
    with closing(sqlite3.connect(fleet.stack.directory / "memory-graph.db", timeout=30)) as database:
        database.execute(ADD_NODE, (int(pb.NODE_TYPE_TOOL_INVOCATION), node.SerializeToString(), session_id))
        database.commit()


def spoils_two(fleet: Fleet, in_graph: Row, in_vault: Row, off: str = "") -> None:
    """Make one session unreadable in the graph, and let the vault answer 500 to whatever holds another."""
    unreadable, fatal = fleet.sessions[7], fleet.sessions[111]
    poison_in_the_graph(fleet, unreadable)
    fleet.vault.plays("500", answers(500), on="POST /api/v1/archive", about=fatal.encode())
    fleet.start_workers(off=off)
    fleet.work(500)
    fleet.settles(180)
    reasons = failures(fleet)
    for row, session_id, said in (
        (in_graph, unreadable, "timestamp is no valid time"),
        (in_vault, fatal, "failed on it"),
    ):
        row.judge(fleet, spared=[unreadable, fatal], secs=5)
        row.demand(said in reasons.get(session_id, ""), f"its reason is {reasons.get(session_id)!r}")
        row.demand(fleet.effects().statuses[session_id] == "completed", "it is marked as archived")


def failures(fleet: Fleet) -> dict[str, str]:
    """Why sessions of the sweep failed."""
    found: Any = fleet.redis.hgetall(f"memory_graph:sweep:{fleet.sweep_id}:failed")
    return {session.decode(): why.decode() for session, why in found.items()}


def test_one_session_that_nobody_can_archive(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    in_graph = row(
        "one poisoned session in the graph",
        "it fails alone, and its reason names what is wrong",
        "a tool's call whose time is in milliseconds, put into the graph's database; batches of 20",
        34,
    )
    in_vault = row(
        "a vault that answers 500 because of one entry",
        "the others are archived; the reason names the session",
        "proxy, in the same run: 500 to each request that holds this session's id; 3 attempts",
        35,
    )
    spoils_two(fleet(TASK_MAX_ATTEMPTS="3"), in_graph, in_vault)
    in_graph.must_hold()
    in_vault.must_hold()


@contextmanager
def watched(fleet: Fleet, service: str) -> Generator[list[str]]:
    """Why the queues of a service were held meanwhile."""
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            why: Any = fleet.redis.hget(KEYS.hold(service), "why")
            if why and why.decode() not in seen:
                seen.append(why.decode())

    watcher = threading.Thread(target=look, name="watcher")
    watcher.start()
    yield seen
    done.set()
    watcher.join()


def asks_for_a_poisoned_model(fleet: Fleet, row: Row, off: str = "") -> None:
    """Ask for one model that the registry fails on: first with nothing else under way, then among reports."""
    fleet.registry.plays("500", answers(500), on=f"GET /api/v1/models/{POISONED.replace('/', '(/|%2F)')}")
    fleet.start_workers(off=off)
    row.runs = REPEATS
    with watched(fleet, "registry") as held:
        for _ in range(REPEATS // 2):
            fleet.send("registry.get_model_metadata", REGISTRY, model_id=POISONED)
        with contextlib.suppress(TimeoutError):
            until(lambda: fleet.registry.played()["500"] >= REPEATS // 2 or held, 60, "the model was asked for")
        for number in range(REPEATS // 2):
            fleet.send("registry.get_model_metadata", REGISTRY, model_id=POISONED)
            fleet.report_usage(100 if number else 200)
        row.judge(fleet, letters={"attempts_exhausted": REPEATS})
    row.demand(not held, f"the registry's queues were held: {held}")


def test_one_poisoned_model_among_healthy_calls(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "one poisoned model among healthy calls",
        "its tasks are dead letters after their last attempt; no queue is ever held for it",
        "proxy: 500 to each request for it; half of them before the other calls; 3 attempts; runs = its tasks",
        36,
    )
    asks_for_a_poisoned_model(fleet(TASK_MAX_ATTEMPTS="3"), one)
    one.must_hold()


def only_looks_up(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let a vault fail at every POST while its health is green, until the breaker's pause is over and past it."""
    fleet.vault.plays("let through", passes, on="POST ", times=1)
    fleet.vault.plays("500", answers(500), on="POST ")
    workers = fleet.start_workers(off=off)
    fleet.work(500)
    until(lambda: fleet.effects().archives.total() > 0, 60, "a sweep under way")
    with contextlib.suppress(TimeoutError):
        until(lambda: fleet.redis.hget(KEYS.hold("vault"), "permits") == b"0", 60, "the vault's queues are held")
    row.demand(fleet.redis.exists(KEYS.hold("vault")), "its queues are not held")
    time.sleep(SETTLING_SECS)
    spent, seen = fleet.attempts_spent(), len(fleet.vault.seen("POST"))
    time.sleep(HELD_SECS)
    more, sent = fleet.attempts_spent() - spent, len(fleet.vault.seen("POST")) - seen
    row.demand(not more and not sent, f"{more} attempts spent and {sent} requests sent while held")
    with contextlib.suppress(TimeoutError):
        until(lambda: len(fleet.vault.seen("POST")) > seen, 60, "a trial after the breaker's pause")
    time.sleep(SETTLING_SECS)
    trials, more = len(fleet.vault.seen("POST")) - seen, fleet.attempts_spent() - spent
    row.demand(0 < trials <= 2, f"{trials} requests sent as a trial")
    row.demand(more <= trials, f"{more} attempts spent by {trials} trials")
    fleet.vault.heals()
    fleet.redis.delete(PAUSE)  # the next one is as long
    back = time.monotonic()
    with contextlib.suppress(TimeoutError):
        until(lambda: any(one.at > back for one in fleet.vault.seen("POST")) or fleet.is_idle(), 120, "work goes on")
    row.recovered(time.monotonic() - back, BACK_SECS)
    row.judge(fleet, secs=240)
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


@pytest.mark.waits
def test_a_vault_that_only_looks_up(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a vault whose POSTs all fail while /health is green",
        "held as if it were down; no attempts spent while held, at most one by each trial after the breaker's pause",
        f"proxy: 500 to each POST after the first, past the first trial; attempts compared {SETTLING_SECS:.0f} s after "
        f"the hold and {HELD_SECS:.0f} s later",
        37,
    )
    only_looks_up(fleet(), one)
    one.must_hold()
