"""An outbox whose relay is killed between any two of its steps."""

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from faults.fleet import REGISTRY, Fleet, until
from faults.matrix import Row
from memory_graph_workers import outbox
from memory_graph_workers.cli.stack.processes import Child
from memory_graph_workers.outbox.table import outbox_table
from memory_graph_workers.tasks.registry import track_usage
from sqlalchemy import Engine, NullPool, create_engine, func, select, text
from support.postgres import postgres

REPORTS, KILLS = 3000, 6


@pytest.mark.short
def test_the_relay_of_an_outbox_is_killed(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "outbox relay killed between read, send and mark",
        "each report counted once, no row left",
        f"PostgreSQL; two relays; SIGKILL of one after it sent a batch and before its rows are deleted, and at "
        f"{KILLS} random moments; runs = kills",
        60,
    )
    these = fleet()
    with postgres() as server:
        url = server.new_database()
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        outbox.create(engine)
        _write(these, engine)
        with suppress(TimeoutError):
            one.runs = _kills(these, engine, url)
            until(lambda: not _left(engine), 60, "every row is sent")
        one.demand(not _left(engine), f"{_left(engine)} rows are left")
    one.judge(these)
    one.must_hold()


def _kills(fleet: Fleet, engine: Engine, url: str) -> int:
    """Kill relays; return how often."""
    with engine.connect() as holding:
        holding.execute(text("LOCK TABLE memory_graph_outbox IN SHARE MODE"))  # rows can be read, and not deleted
        first = _start(fleet, url)
        until(lambda: fleet.redis.llen(REGISTRY), 60, "a batch is sent")
        fleet.kill(first)
    fleet.start_workers()
    relays = [_start(fleet, url), _start(fleet, url)]
    for number in range(KILLS):
        time.sleep(random.Random(number).uniform(0.2, 1.5))
        fleet.kill(relays.pop(0))
        relays.append(_start(fleet, url))
    return 1 + KILLS


def _start(fleet: Fleet, url: str) -> Child:
    settings = {**fleet.stack.child_environ(), "OUTBOX_DATABASE_URL": url}
    name = f"relay-{len(list(Path(fleet.stack.children.logs).glob('relay-*')))}"
    return fleet.stack.children.start(name, [sys.executable, "-m", "memory_graph_workers.cli", "outbox"], settings)


def _write(fleet: Fleet, engine: Engine) -> None:
    fleet.reports.extend(range(REPORTS))
    with engine.begin() as connection:
        for number in fleet.reports:
            session_id = fleet.sessions[number % len(fleet.sessions)]
            tokens = {"prompt_tokens": 3, "completion_tokens": 4}
            outbox.send(connection, track_usage, session_id=session_id, metadata={"number": number}, **tokens)


def _left(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outbox_table())).scalar_one()
