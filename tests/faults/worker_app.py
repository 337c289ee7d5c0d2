"""The project's own app as workers of the matrix run it: with two tasks that end badly, and a switch for each
mechanism, by which the matrix shows that it would notice its absence (`SWITCHED_OFF`).
"""

import os
import select
import signal
import time
from importlib.resources import files
from typing import Any
from uuid import uuid4

from kombu.transport.virtual import Message
from marshmallow import fields
from memory_graph_workers.clients import base, paging
from memory_graph_workers.clients.breaker import Breaker
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.delivery.broker import quarantine, transport
from memory_graph_workers.delivery.connections import connection
from memory_graph_workers.delivery.dead_letters.store import DeadLetters
from memory_graph_workers.delivery.worker import consumer
from memory_graph_workers.delivery.worker.lease import Lease
from memory_graph_workers.schemas.rows import ReadRows, Rows
from memory_graph_workers.tasks import beat
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.archival import batch, sending, storing
from memory_graph_workers.tasks.archival import state as sweeps
from memory_graph_workers.tasks.archival import tasks as archival
from memory_graph_workers.tasks.archival import walk as walking
from memory_graph_workers.tasks.archival.page import Page
from memory_graph_workers.tasks.archival.state import Sweeps


@app.task(name="faults.kills_its_child")
def kills_its_child() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="faults.outlasts_its_limit", time_limit=2)
def outlasts_its_limit() -> None:
    time.sleep(60)


def _replace(owner: Any, name: str, other: Any) -> None:
    """Put something else in the place of what must be there; a switch that has gone stale says so."""
    getattr(owner, name)
    setattr(owner, name, other)


def _rewrite_script(part: str, other: str) -> None:
    """Change a part of the one script of sweeps that holds it."""
    text_of = sweeps._text_of
    found = [path.name for path in (files(sweeps.__package__ or "") / "scripts").iterdir() if part in path.read_text()]
    if len(found) != 1:
        raise LookupError(f"{part!r} is in {len(found)} scripts of sweeps, not in one.")
    _replace(sweeps, "_text_of", lambda script: text_of(script).replace(part, other))


def without_lease() -> None:
    """Work in flight is never renewed."""
    _replace(Lease, "_renew", lambda self: None)


def without_loss_counter() -> None:
    """Every lost child is the first."""
    _replace(DeadLetters, "count_loss", lambda self, task_id: 1)


def without_held_queues() -> None:
    """No step ever stops taking from a queue, and no task asks whether it should."""
    leading = {step for step in app.steps["consumer"] if "held_queues" in str(step)}  # a class, or its name
    if not leading:
        raise LookupError("No step of the consumer comes from held_queues; which one stops it from taking?")
    app.steps["consumer"] -= leading


def without_idempotency_key() -> None:
    """Every request says that it is another one."""
    _replace(base, "header_key", lambda key: str(uuid4()))


def without_page_ids() -> None:
    """A page does not know itself again, and what it sends has a new id each time."""

    def page_at(state: Sweeps, running: Any, here: Any) -> Page:
        page = walking.list_page(state, running, here, None)
        state.keep_page(running.sweep_id, page)
        return page

    _rewrite_script("last_index >= index) then return 0 end", "last_index >= index) then end")
    _replace(Sweeps, "untaken", lambda self, sweep_id, ids: list(ids))
    for module in (walking, sending):
        _replace(module, "derived_id", lambda *parts: str(uuid4()))
    _replace(archival, "page_at", page_at)


def without_result_once() -> None:
    """Each run of a batch counts."""
    _replace(Sweeps, "is_pending", lambda self, sweep_id, batch_id: True)
    _rewrite_script("ARGV[1]) == 1 then", "ARGV[1]) >= 0 then")


def without_dropped_connections() -> None:
    """A Redis that refuses commands for now is no lost connection."""
    _replace(connection.Connection, "_not_now", lambda self, error: None)


def without_patient_beat() -> None:
    """A beat that has no lock, or no Redis, goes on as redbeat does."""
    _replace(beat.Scheduler, "tick", beat._PlainScheduler.tick)


def without_own_outcome() -> None:
    """What one session does is what its whole batch does."""
    _replace(batch, "CONCERNS_ALL", (Exception,))


def without_parting_of_batches() -> None:
    """A batch on which the vault fails is never taken apart."""
    _replace(storing, "_is_failure_of_content", lambda error: False)


def without_request_count() -> None:
    """Every failure of a request counts, though it be the same one again."""
    call = Breaker.call

    def call_alone(self: Breaker, guarded: Any, operation: Any = None, request: Any = None, **more: Any) -> Any:
        return call(self, guarded, operation, **more)

    _replace(Breaker, "call", call_alone)


def without_readable_rows() -> None:
    """One broken row breaks its whole listing."""

    def read(self: Rows, *given: Any, **options: Any) -> ReadRows:
        return ReadRows(fields.List._deserialize(self, *given, **options))

    _replace(Rows, "_deserialize", read)


def without_full_pages() -> None:
    """A listing ends where its total says."""
    plain = Cursor.after

    def after(self: Cursor, ids: Any, page: Any, rows: int, asked: int | None = None) -> Cursor | None:
        following = plain(self, ids, page, rows, asked)
        return following if following and following.listed < page.total else None

    _replace(Cursor, "after", after)


def without_landmarks() -> None:
    """No page is known again."""
    _replace(paging, "_digest", lambda ids: str(uuid4()))


def without_bounded_bodies() -> None:
    """kombu opens a message's body, however large it becomes."""
    _replace(transport.Channel, "Message", Message)


def without_waiting_in_redis() -> None:
    """A task waits in a worker however long its countdown, and counts a loss with it, though it has not begun."""
    _replace(consumer, "secs_in_redis", lambda *_: 0.0)
    _replace(quarantine, "secs_left", lambda *_: 0.0)


SWITCHES = {
    switch.__name__.removeprefix("without_"): switch
    for switch in (
        without_lease,
        without_loss_counter,
        without_held_queues,
        without_idempotency_key,
        without_page_ids,
        without_result_once,
        without_dropped_connections,
        without_patient_beat,
        without_own_outcome,
        without_parting_of_batches,
        without_request_count,
        without_readable_rows,
        without_full_pages,
        without_landmarks,
        without_bounded_bodies,
        without_waiting_in_redis,
    )
}
if "FAKETIME" in os.environ:
    # libfaketime's clock_nanosleep refuses what time.sleep asks for, and the lease's thread would end with it.
    time.sleep = lambda secs: select.select([], [], [], secs)
if os.environ.get("SWITCHED_OFF"):
    SWITCHES[os.environ["SWITCHED_OFF"]]()
