"""An outbox in a database of its own, on both kinds, a real Valkey, and real relays."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers import outbox
from memory_graph_workers.delivery import DeadLetters
from memory_graph_workers.outbox.rows import Row
from memory_graph_workers.outbox.table import outbox_table
from memory_graph_workers.tasks.registry import track_usage
from sqlalchemy import Engine, NullPool, create_engine, func, select, text
from support.broker import Broker
from support.forked import MGW, Forked
from support.our_app import KEYS
from support.postgres import Postgres
from support.postgres import postgres as postgres_server
from support.waiting import LONGEST_SECS, until

QUEUE = "memory_graph.registry"
# What a transaction of the application holds: nobody can read, nobody can delete.
_HOLDS = {
    ("postgresql", "reading"): "LOCK TABLE memory_graph_outbox IN ACCESS EXCLUSIVE MODE",
    ("postgresql", "deleting"): "LOCK TABLE memory_graph_outbox IN SHARE MODE",
    ("sqlite", "reading"): "BEGIN EXCLUSIVE",
    ("sqlite", "deleting"): "BEGIN IMMEDIATE",
}


class Database:
    """An application's database with an outbox."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = engine_for(url)
        outbox.create(self.engine)

    @property
    def name(self) -> str:
        """The database's name on its server."""
        return self.engine.url.database or ""

    def write(self, count: int = 1, session_id: str = "s-1") -> list[str]:
        """Write so many usage reports in one transaction, and return their ids."""
        with self.engine.begin() as connection:
            return [
                outbox.send(connection, track_usage, session_id=session_id, prompt_tokens=1, completion_tokens=number)
                for number in range(count)
            ]

    def put(self, row_id: str, task: str, parameters: str) -> None:
        """Write a row by hand."""
        with self.engine.begin() as connection:
            connection.execute(outbox_table().insert(), Row(row_id, task, parameters)._asdict())

    def count(self) -> int:
        """How many rows wait."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(outbox_table())).scalar_one()

    def rows(self) -> list[Row]:
        """The rows as they are."""
        table = outbox_table()
        with self.engine.connect() as connection:
            return [Row(*row[:3]) for row in connection.execute(select(table).order_by(table.c.id))]

    @contextmanager
    def holding(self, what: str) -> Iterator[None]:
        """Let nobody read the outbox, or delete from it."""
        with self.engine.connect() as connection:
            connection.execute(text(_HOLDS[self.engine.dialect.name, what]))
            yield
            connection.rollback()


def engine_for(url: str) -> Engine:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)


def sent(broker: Broker) -> Counter[str]:
    """How often each task is in the queue, by its id."""
    found: list[Any] = broker.redis.lrange(QUEUE, 0, -1)
    return Counter(json.loads(item)["headers"]["id"] for item in found)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "postgresql":
        return Database(request.getfixturevalue("postgres").new_database())
    return Database(f"sqlite:///{tmp_path}/app.db")


@pytest.fixture
def dead(broker: Broker) -> DeadLetters:
    return DeadLetters(broker.redis, KEYS)


class Relay(Forked):
    """A real `mgw outbox`."""

    def __init__(self, environ: dict[str, str], folder: Path, *arguments: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        super().__init__(MGW, ["outbox", *arguments], environ, folder, (Path(os.devnull), self.out, self.err))

    def says(self, words: str) -> bool:
        """Whether it has said this."""
        return self.err.exists() and words in self.err.read_text()

    def kill_when(self, holds: Callable[[], object]) -> None:
        """End it at once as soon as something holds."""
        until(holds, self.err.read_text)
        assert self.poll() is None, self.err.read_text()
        self.kill()
        assert self.wait(LONGEST_SECS) == -signal.SIGKILL

    def stop(self) -> int:
        """Stop it in order."""
        self.terminate()
        return self.wait(LONGEST_SECS)


@pytest.fixture
def relay(
    database: Database, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Relay]]:
    started: list[Relay] = []

    def begin(*arguments: str, **environ: str) -> Relay:
        own = {"PATH": os.environ["PATH"], "REDIS_URL": broker.url, "OUTBOX_DATABASE_URL": database.url}
        started.append(Relay({**own, **environ}, tmp_path_factory.mktemp("relay"), *arguments))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.wait(LONGEST_SECS)
