"""The dead letters: whatever ended in failure, kept in Redis where a person finds it.

A letter about a task has the task's id; one about a message that is no task has an id made of its bytes.
Letters hold payloads, hence conversation content, and are the one place beside the queues that does. They are
bounded in number, bytes and age: beyond that the oldest are dropped, which the log says, and warns of before.
"""

import base64
import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .addresses import connect
from .bounds import Bounds
from .keys import Keys
from .lua import script
from .timestamps import format_timestamp, parse_timestamp

logger = logging.getLogger(__name__)

_TIMEOUT_SECS = 3.0
_NEARLY = 0.8  # of a bound: from there on one is warned
_MOST_DROPPED = 1000  # in one step, because Redis does nothing else meanwhile
_REPLAY_SECS = 60
_LOSSES_KEPT_SECS = 7 * 86_400

_ADD = script("add")
_TRIM = script("trim")
_REMOVE = script("remove")


class Reason(StrEnum):
    """Why a message ended among the dead letters."""

    FAILED = "failed"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INVALID_PAYLOAD = "invalid_payload"
    HARD_TIME_LIMIT = "hard_time_limit"
    LOST_WORKER = "lost_worker"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    UNKNOWN_TASK = "unknown_task"
    INVALID_MESSAGE = "invalid_message"
    UNDECODABLE = "undecodable"
    BROKEN_ENVELOPE = "broken_envelope"


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    """One failure: which task, why, and what it carried.

    `message` and `fields` are fit to be logged; `payload` is not: `{"args", "kwargs"}` of a task, with `embed`
    where more hangs on it (the rest of a chain, callbacks), or `{"base64"}`, the raw bytes of what could not be read.
    """

    id: str
    reason: Reason
    queue: str
    task: str | None = None
    error: str | None = None
    message: str = ""
    fields: dict[str, Any] | list[Any] | None = None
    service: str | None = None
    operation: str | None = None
    status: int | None = None
    request_id: str | None = None
    attempts: int = 0
    payload: dict[str, Any] | None = None
    first_seen: str = ""
    failed_at: str = ""


class DeadLetters:
    """The store. Every method may raise redis.RedisError; what was not stored must not be acknowledged."""

    def __init__(self, client: "redis.Redis", keys: Keys, bounds: Bounds | None = None) -> None:
        """Without `bounds` nothing is ever dropped by this object."""
        self._redis, self._names, self._bounds = client, keys, bounds
        self._keys = [keys.letters, keys.letters_by_time, keys.letters_first_seen, keys.letters_bytes]

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter; one about the same task takes the place of the older."""
        moment = datetime.now(UTC)
        letter = dataclasses.replace(letter, failed_at=format_timestamp(moment))
        text = json.dumps(dataclasses.asdict(letter))
        self._run(_ADD, self._keys, [letter.id, text, moment.timestamp()])
        self.trim(newest=letter.id)

    def trim(self, newest: str = "") -> None:
        """Drop the oldest letters that are beyond the bounds, and name in the log what was dropped."""
        bounds = self._bounds
        if bounds is None:
            return
        oldest = datetime.now(UTC) - timedelta(days=bounds.kept_days)
        limits = [newest, bounds.most, bounds.most_bytes, oldest.timestamp(), _MOST_DROPPED]
        for letter_id in self._run(_TRIM, self._keys, limits):
            logger.error("Dead letter %s dropped: too many, too large or too old", _text(letter_id))

    def keep_bounds(self) -> None:
        """Drop the letters that are beyond the bounds, and warn in the log of what will be dropped soon."""
        self.trim()
        warning = self.warning()
        if warning:
            logger.warning("%s See: mgw dead list", warning)

    def warning(self) -> str | None:
        """What is about to be dropped and why, or None."""
        if self._bounds is None:
            return None
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zcard(self._names.letters_by_time)
            pipe.get(self._names.letters_bytes)
            pipe.zrange(self._names.letters_by_time, 0, 0, withscores=True)
            count, size, first = pipe.execute()
        return self._bounds.nearly(
            count, int(size or 0), datetime.fromtimestamp(first[0][1], UTC) if first else None, _NEARLY
        )

    def quarantine(self, raw: bytes, queue: str, reason: Reason = Reason.BROKEN_ENVELOPE, error: str = "") -> str:
        """Keep bytes that are no message, and return the id made of them."""
        letter = DeadLetter(
            id=quarantine_id(raw, queue), reason=reason, queue=queue, error=error or None, payload=as_base64(raw)
        )
        self.add(letter)
        return letter.id

    def list(self, limit: int = 50, offset: int = 0) -> "list[DeadLetter]":
        """The letters, newest first."""
        return list(self._found(self._ids(offset, offset + limit - 1))) if limit > 0 else []

    def all(self) -> "Iterator[DeadLetter]":
        """Every letter that is there now, newest first; those that come meanwhile are not among them."""
        return self._found(self._ids(0, -1))

    def ids(self) -> "list[str]":
        """The ids of all letters, newest first."""
        return [_text(key) for key in self._ids(0, -1)]

    def get(self, letter_id: str) -> DeadLetter | None:
        """One letter, or None."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(self._names.letters, letter_id)
            pipe.zscore(self._names.letters_first_seen, letter_id)
            found, first_seen = pipe.execute()
        if found is None:
            return None
        seen = datetime.fromtimestamp(first_seen or 0, UTC)
        kept: dict[str, Any] = json.loads(found)
        values = {name: value for name, value in kept.items() if name in _NAMES}  # newer releases may say more
        values.update(first_seen=format_timestamp(seen), reason=Reason(values["reason"]))
        return DeadLetter(**values)

    def count(self) -> int:
        """How many letters there are."""
        return self._redis.zcard(self._names.letters_by_time)

    def remove(self, letter_id: str, failed_at: str = "") -> bool:
        """Forget a letter and its losses; with `failed_at` only where it is still the letter of that failure.

        False where there was none.
        """
        stamp = parse_timestamp(failed_at).timestamp() if failed_at else ""
        return bool(self._run(_REMOVE, [*self._keys, self._names.losses(letter_id)], [letter_id, stamp]))

    @contextlib.contextmanager
    def replaying(self, letter_id: str) -> "Generator[bool]":
        """Take a letter for a replay; False where somebody has it, for a minute at most."""
        taken = bool(self._redis.set(self._names.replaying(letter_id), "1", nx=True, ex=_REPLAY_SECS))
        try:
            yield taken
        finally:
            if taken:
                self._redis.delete(self._names.replaying(letter_id))

    def count_loss(self, task_id: str) -> int:
        """Count that a task took its pool child down, and return how often it has."""
        key = self._names.losses(task_id)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, _LOSSES_KEPT_SECS)
            return int(pipe.execute()[0])

    def forget_losses(self, task_id: str) -> None:
        """Start the count of a task anew: it ended in an orderly way."""
        self._redis.delete(self._names.losses(task_id))

    def _ids(self, first: int, last: int) -> "list[bytes]":
        return cast("list[bytes]", self._redis.zrevrange(self._names.letters_by_time, first, last))

    def _found(self, ids: "list[bytes]") -> "Iterator[DeadLetter]":
        for key in ids:
            letter = self.get(_text(key))
            if letter is not None:
                yield letter

    def _run(self, script: str, keys: "list[str]", arguments: "list[Any]") -> Any:
        return cast(Any, self._redis).eval(script, len(keys), *keys, *arguments)


_NAMES = {field.name for field in dataclasses.fields(DeadLetter)}


@lru_cache(maxsize=8)
def dead_letters_at(url: str, keys: Keys, bounds: Bounds | None = None) -> DeadLetters:
    """The store in one Redis; a call of it takes seconds at most, because a worker's loop waits for it."""
    client = connect(url, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS, retry=Retry(NoBackoff(), 1))
    return DeadLetters(client, keys, bounds)


def as_base64(raw: bytes) -> dict[str, Any]:
    """A payload made of bytes that could not be read."""
    return {"base64": base64.b64encode(raw).decode("ascii")}


def quarantine_id(raw: bytes, queue: str) -> str:
    """The same id for the same bytes on the same queue."""
    return hashlib.sha256(queue.encode() + b"\x00" + raw).hexdigest()


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key
