"""What producers call: a task is checked as `.delay` does, and written into the outbox in place of being sent."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, overload

from kombu.serialization import dumps

from ..delivery import UnfitMessage, installed
from ..delivery.messages.message import refuse_unfit
from ..schemas.base import ValidationError
from ..schemas.ids import time_ordered_id
from ..tasks.app import app, mistakes
from ..tasks.operation import CheckedTask, PayloadTask, PlainTask
from .table import TABLE, MissingTable, is_missing_table, outbox_table

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

P = ParamSpec("P")
F = ParamSpec("F")
R = TypeVar("R")

_NOTHING_FOLLOWS = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))  # of a message's body
_INSERT = f"INSERT INTO {TABLE} (id, task, parameters) VALUES (%s, %s, %s)"  # noqa: S608  the name is ours


class _Call(NamedTuple):
    """A checked call as the table holds it."""

    id: str
    task: str
    parameters: str


@overload
def send(
    connection: "Connection | Session", task: PayloadTask[P, F, R, Any], /, *args: P.args, **kwargs: P.kwargs
) -> str: ...
@overload
def send(
    connection: "Connection | Session", task: PayloadTask[P, F, R, Any], /, *args: F.args, **kwargs: F.kwargs
) -> str: ...
@overload
def send(connection: "Connection | Session", task: PlainTask[P, R], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
def send(connection: "Connection | Session", task: CheckedTask[Any], /, *args: Any, **kwargs: Any) -> str:
    """Write a task into the outbox within the transaction of an SQLAlchemy connection or session.

    It is sent after the commit, and never if the transaction is rolled back. Returns the id that the task will have.
    From asyncio: `await session.run_sync(outbox.send, task, …)`.
    Raises: ValidationError and TypeError as `delay` does, then nothing was written; MissingTable.
    """
    _refuse_other(
        connection, "a session or connection of SQLAlchemy; from asyncio, await session.run_sync(outbox.send, task, …)"
    )
    call = _checked(task, args, kwargs)
    try:
        connection.execute(outbox_table().insert(), call._asdict())
    except Exception as error:
        _refuse_missing_table(error)
        raise
    return call.id


@overload
def send_with_cursor(cursor: Any, task: PayloadTask[P, F, R, Any], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
@overload
def send_with_cursor(cursor: Any, task: PayloadTask[P, F, R, Any], /, *args: F.args, **kwargs: F.kwargs) -> str: ...
@overload
def send_with_cursor(cursor: Any, task: PlainTask[P, R], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
def send_with_cursor(cursor: Any, task: CheckedTask[Any], /, *args: Any, **kwargs: Any) -> str:
    """Do what `send` does through a cursor whose placeholder is `%s`: of Django, of psycopg.

    It needs no SQLAlchemy. The transaction is that of the cursor's connection. Raises the same.
    """
    _refuse_other(cursor, "a cursor that writes when it is called")
    call = _checked(task, args, kwargs)
    try:
        cursor.execute(_INSERT, call)
    except Exception as error:
        _refuse_missing_table(error)
        raise
    return call.id


def _checked(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> _Call:
    """Check a call as if it were sent now.

    Raises: InvalidConfig; ValidationError, TypeError.
    """
    if mistakes:
        raise mistakes
    if not isinstance(task, CheckedTask):
        raise TypeError(f"An outbox takes a task like tasks.registry.register_session, not {type(task).__name__}.")
    parameters, task_id = task.checked(args, kwargs), time_ordered_id()
    _, _, body = dumps(((), parameters, _NOTHING_FOLLOWS), serializer=app.conf.task_serializer)
    try:
        refuse_unfit(body, {"task": task.name, "id": task_id}, installed(app).message_max_bytes)
    except UnfitMessage as error:
        raise ValidationError({"message": [str(error)]}) from error
    return _Call(task_id, task.name, json.dumps(parameters))


def _refuse_other(writer: Any, wanted: str) -> None:
    """Refuse what cannot write, or returns a coroutine in place of writing: the task would be lost without an error."""
    execute = getattr(writer, "execute", None)
    if execute is None or inspect.iscoroutinefunction(execute):
        raise TypeError(f"{type(writer).__name__} cannot write a task here. Give {wanted}: see docs/outbox.md.")


def _refuse_missing_table(error: Exception) -> None:
    if is_missing_table(error):
        raise MissingTable from None  # its text may quote what was to be written
