"""The relay: reads rows, sends their tasks under the rows' ids, and deletes what the broker has.

Whatever ends it in between, a row is deleted only after its task is sent: it may be sent again, always under the same
id, which is the idempotency key of its call. A row that cannot be sent becomes a dead letter.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from celery.result import denied_join_result
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ..delivery import AWAY, DeadLetter, Reason, installed
from ..delivery.dead_letters.store import as_base64, quarantine_id
from ..delivery.messages.envelope import is_name, is_too_deep
from ..delivery.worker.failures import failure
from ..schemas.base import ValidationError
from ..tasks.app import app
from ..tasks.bulk import enqueue_many
from ..tasks.operation import CheckedTask
from .rows import Row, forget, take
from .table import TABLE, MissingTable, is_missing_table

logger = logging.getLogger(__name__)

BROKER_AWAY = (RedisError, OSError, *AWAY)


class Call(NamedTuple):
    """What a row that can be read holds."""

    id: str
    task: str
    parameters: dict[str, Any]


@dataclass
class Turn:
    """What became of one batch: the ids of rows that were sent, or set aside; what kept the others."""

    read: int = 0
    sent: list[str] = field(default_factory=list[str])
    buried: list[str | bytes] = field(default_factory=list[str | bytes])
    away: Exception | None = None


class Relay:
    """Sends the outbox of one database to the broker."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sent: set[str] = set()  # by this process, and not deleted: the database refused, or was away
        self._letters = installed(app).dead_letters
        app.loader.import_default_modules()  # so that every task is known by its name

    def turn(self) -> Turn:
        """Send one batch. If the broker is away, its rows stay and `away` says why.

        Raises: MissingTable; SQLAlchemyError if the database does not answer, then rows may be sent again.
        """
        try:
            with self.engine.connect() as connection:
                rows = take(connection)
                turn = self._send(rows)
                self._sent.update(turn.sent)
                forget(connection, [*turn.sent, *turn.buried])
                self._sent.clear()
                return turn
        except SQLAlchemyError as error:
            raise _told(error) from None

    def _send(self, rows: Sequence[Row]) -> Turn:
        turn = Turn(read=len(rows))
        by_task: dict[str, list[Call]] = defaultdict(list)
        try:
            for call in self._readable(rows, turn):
                by_task[call.task].append(call)
            for name, calls in by_task.items():
                self._send_those(name, calls, turn)
        except BROKER_AWAY as error:
            turn.away = error
        return turn

    def _send_those(self, name: str, calls: Sequence[Call], turn: Turn) -> None:
        task: Any = app.tasks.get(name)
        if not isinstance(task, CheckedTask):
            for call in calls:
                self._bury(_letter(call, reason=Reason.UNKNOWN_TASK), call.id, turn)
            return
        turn.sent += [call.id for call in calls if call.id in self._sent]
        calls = [call for call in calls if call.id not in self._sent]
        try:
            _enqueue(task, calls)
            turn.sent += [call.id for call in calls]
        except BROKER_AWAY:
            raise
        except Exception:  # noqa: BLE001  which row it is about shows when each is sent by itself
            self._one_by_one(task, calls, turn)

    def _one_by_one(self, task: CheckedTask[Any], calls: Iterable[Call], turn: Turn) -> None:
        """Send a batch of which some row cannot be sent: it must not hold up those behind it."""
        for call in calls:
            try:
                task.checked((), call.parameters, call.id)  # which names the fields, and not the call's place
                _enqueue(task, [call])
                turn.sent.append(call.id)
            except BROKER_AWAY:
                raise
            except Exception as error:  # noqa: BLE001  whatever it is, the rows behind it must be sent
                self._bury(_failed(call, task, error), call.id, turn)

    def _readable(self, rows: Sequence[Row], turn: Turn) -> Iterator[Call]:
        for row in rows:
            call = _read(row)
            if call is None:
                self._bury(_unreadable(row), row.id, turn)
            else:
                yield call

    def _bury(self, letter: DeadLetter, row_id: str | bytes, turn: Turn) -> None:
        self._letters.add(letter)
        turn.buried.append(row_id)
        logger.error(
            "A row of the outbox is dead letter %s: %s. Look at it: mgw dead show %s",
            letter.id,
            letter.reason,
            letter.id,
        )


def _enqueue(task: CheckedTask[Any], calls: Sequence[Call]) -> None:
    with denied_join_result():  # nobody waits for results here; Celery would subscribe to each, and keep that
        enqueue_many(cast(Any, task), [call.parameters for call in calls], task_ids=[call.id for call in calls])


def _read(row: Row) -> Call | None:
    """Return a row's call; None if its parameters are no JSON object, or its id or name cannot be that of a task."""
    if not (is_name(row.id) and is_name(row.task)) or is_too_deep(row.parameters):
        return None
    try:
        found = json.loads(row.parameters)
    except ValueError:
        return None
    return Call(str(row.id), str(row.task), cast("dict[str, Any]", found)) if isinstance(found, dict) else None


def _letter(call: Call, queue: str = "", **facts: Any) -> DeadLetter:
    """Return a row's letter; one without a queue is replayed to where the release of then sends its task."""
    payload = {"args": [], "kwargs": call.parameters}
    return DeadLetter(id=call.id, queue=queue, task=call.task, payload=payload, **facts)


def _failed(call: Call, task: CheckedTask[Any], error: Exception) -> DeadLetter:
    if isinstance(error, TypeError):  # a worker says the same of a call that is not that of its task
        error = ValidationError({"parameters": [f"Must be those of {task.parameters.shown}."]})
    return _letter(call, queue=app.amqp.router.route({}, task.name)["queue"].name, **failure(error))


def _unreadable(row: Row) -> DeadLetter:
    raw = row.parameters.encode("utf-8", "surrogateescape")
    whole = repr(row.id).encode() + raw  # two rows of the same parameters are two letters
    return DeadLetter(
        id=str(row.id) if is_name(row.id) else quarantine_id(whole, TABLE),
        reason=Reason.INVALID_MESSAGE,
        queue="",
        task=str(row.task) if is_name(row.task) else None,
        message=f"A row of {TABLE} whose parameters are no JSON object",
        payload=as_base64(raw),
    )


def _told(error: SQLAlchemyError) -> Exception:
    return MissingTable() if is_missing_table(error) else error
