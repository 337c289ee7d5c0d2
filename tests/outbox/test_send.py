"""What producers write: checked as `.delay` checks, in their own transaction, and nothing after a rollback."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from memory_graph_workers import outbox
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks.registry import register_session, track_usage, update_session_status
from memory_graph_workers.tasks.vault import archive_session
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, registry
from support.outbox import Database, engine_for


class Cursor:
    """A cursor of Django on SQLite: it takes `%s`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any) -> None:
        self._connection.execute(statement.replace("%s", "?"), values)


def test_a_row_has_the_tasks_id_and_what_delay_would_send(database: Database) -> None:
    with Session(database.engine) as session, session.begin():
        task_id = outbox.send(session, register_session, SessionRegistration("s-1", "gpt-4"))
        other = outbox.send(session, update_session_status, "s-1", SessionStatus.COMPLETED)
    rows = {row.id: row for row in database.rows()}
    assert list(rows) == [task_id, other]
    assert rows[task_id].task == "memory_graph.registry.register_session"
    assert '"status": "completed"' in rows[other].parameters


def test_nothing_is_written_if_the_transaction_rolls_back(database: Database) -> None:
    with Session(database.engine) as session:
        outbox.send(session, register_session, session_id="s-1", model_id="gpt-4")
        session.rollback()
    assert database.count() == 0


@pytest.mark.parametrize(
    ("task", "fields", "error"),
    [
        (track_usage, {"session_id": "s", "prompt_tokens": -1, "completion_tokens": 1}, ValidationError),
        (register_session, {"session_id": "s", "model": "gpt-4"}, ValidationError),
        (update_session_status, {"session": "s", "status": "completed"}, TypeError),
    ],
)
def test_a_wrong_call_is_refused_as_delay_refuses_it(
    database: Database, task: Any, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as by_delay:
        task.delay(**fields)
    with pytest.raises(error) as refused, database.engine.begin() as connection:
        outbox.send(connection, task, **fields)
    assert (type(refused.value), str(refused.value)) == (type(by_delay.value), str(by_delay.value))
    assert database.count() == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_a_worker_would_set_aside_is_refused(database: Database) -> None:
    large = {"session_id": "s", "model_id": "m", "metadata": {"text": "x" * 33 * 2**20}}
    with pytest.raises(ValidationError, match="larger than"), database.engine.begin() as connection:
        outbox.send(connection, register_session, **large)
    assert database.count() == 0


@pytest.mark.parametrize("text", ["שלום", "\x00", "🐘"])
def test_any_text_that_delay_takes_can_be_written(database: Database, text: str) -> None:
    entry = ArchiveEntry("s-1", {"text": text}, 90)
    with database.engine.begin() as connection:
        outbox.send(connection, archive_session, entry)
    assert database.count() == 1


def test_a_cursor_without_sqlalchemy_writes_the_same(database: Database) -> None:
    fields = {"session_id": "s-1", "model_id": "gpt-4", "started_at": "2026-01-01T00:00:00Z"}
    if database.engine.dialect.name == "postgresql":
        with psycopg.connect(database.url) as connection, connection.cursor() as cursor:
            task_id = outbox.send_with_cursor(cursor, register_session, **fields)
    else:
        with sqlite3.connect(database.engine.url.database or "") as plain:
            task_id = outbox.send_with_cursor(Cursor(plain), register_session, **fields)
        plain.close()
    with database.engine.begin() as connection:
        outbox.send(connection, register_session, **fields)
    first, second = database.rows()
    assert first.id == task_id
    assert first[1:] == second[1:]


def test_a_missing_table_says_how_to_create_it(database: Database, tmp_path: Path) -> None:
    outbox.table.outbox_table().drop(database.engine)
    with pytest.raises(outbox.MissingTable, match=r"outbox\.create") as refused, database.engine.begin() as connection:
        outbox.send(connection, register_session, session_id="secret", model_id="gpt-4")
    assert "secret" not in f"{refused.value!r} {refused.value.__cause__!r}"
    if database.engine.dialect.name == "postgresql":
        with pytest.raises(outbox.MissingTable), psycopg.connect(database.url) as plain, plain.cursor() as cursor:
            outbox.send_with_cursor(cursor, register_session, session_id="s", model_id="m")


def test_another_mistake_of_the_database_is_told_as_it_is(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path}/no/folder/app.db")
    with pytest.raises(Exception, match="unable to open"), engine.connect() as connection:
        outbox.send(connection, register_session, session_id="s", model_id="m")


NOWHERE = "postgresql+psycopg://127.0.0.1:1/none"


class AsyncSession:
    """SQLAlchemy's, which needs greenlet: its `execute` is a coroutine, and whoever calls it has written nothing."""

    async def execute(self, statement: Any, values: Any) -> None:
        raise AssertionError("nobody waits for it")


@pytest.mark.parametrize("writer", [AsyncSession(), engine_for(NOWHERE), "outbox"])
def test_what_would_write_nothing_is_refused(writer: Any) -> None:
    with pytest.raises(TypeError, match=r"await session\.run_sync\(outbox\.send, task, …\)"):
        outbox.send(writer, register_session, session_id="s", model_id="m")


def test_a_cursor_that_would_write_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="AsyncCursor cannot write a task here"):
        outbox.send_with_cursor(
            psycopg.AsyncCursor.__new__(psycopg.AsyncCursor), register_session, session_id="s", model_id="m"
        )


@pytest.mark.parametrize("task", ["memory_graph.registry.register_session", print])
def test_what_is_no_task_of_ours_is_refused(database: Database, task: Any) -> None:
    with pytest.raises(TypeError, match=r"like tasks\.registry\.register_session"), database.engine.begin() as one:
        outbox.send(one, task, session_id="s", model_id="m")


def test_another_table_that_is_missing_is_told_as_it_is(database: Database) -> None:
    own = Table("orders", MetaData(), Column("id", Integer, primary_key=True))

    class Order:
        id: int

    registry().map_imperatively(Order, own)
    with Session(database.engine) as session:
        session.add(Order())
        with pytest.raises(DBAPIError, match="orders"):
            outbox.send(session, register_session, session_id="s", model_id="m")


def test_a_savepoint_that_rolls_back_takes_its_tasks_along(database: Database) -> None:
    with Session(database.engine) as session, session.begin():
        kept = outbox.send(session, register_session, session_id="kept", model_id="m")
        inner = session.begin_nested()
        outbox.send(session, register_session, session_id="never", model_id="m")
        inner.rollback()
    assert [row.id for row in database.rows()] == [kept]


def test_creating_it_twice_changes_nothing(database: Database) -> None:
    database.write()
    outbox.create(database.engine)
    with database.engine.begin() as connection:
        outbox.create(connection)
    assert database.count() == 1


def test_a_producer_with_a_cursor_needs_no_sqlalchemy() -> None:
    code = "import sys; sys.modules['sqlalchemy'] = None; from memory_graph_workers import outbox; print(outbox.TABLE)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "memory_graph_outbox"
