"""The dead letters: whatever ended in failure, kept in Redis where a person finds it.

A letter about a task has the task's id; one about a message that is no task has an id made of its bytes.
Letters hold payloads, hence conversation content, and are the one place beside the queues that does.
"""

import base64
import dataclasses
import hashlib
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..schemas.fields import format_timestamp

_TIMEOUT_SECS = 3.0
_addresses: dict[str, str] = {}  # whole ones, by what of them may be shown
_LOSSES_KEPT_SECS = 7 * 86_400


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

    `message` and `fields` are fit to be logged; `payload` is not: `{"args", "kwargs"}` of a task, or
    `{"base64"}`, the raw bytes of what could not be read.
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

    def __init__(self, client: "redis.Redis", prefix: str = "memory_graph") -> None:
        self._redis = client
        self._letters = f"{prefix}:dead:letters"
        self._by_time = f"{prefix}:dead:by_time"
        self._first_seen = f"{prefix}:dead:first_seen"
        self._losses = f"{prefix}:dead:losses:"

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter; one about the same task takes the place of the older."""
        moment = datetime.now(UTC)
        letter = dataclasses.replace(letter, failed_at=format_timestamp(moment))
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._letters, letter.id, json.dumps(dataclasses.asdict(letter)))
            pipe.zadd(self._by_time, {letter.id: moment.timestamp()})
            pipe.zadd(self._first_seen, {letter.id: moment.timestamp()}, nx=True)
            pipe.execute()

    def quarantine(self, raw: bytes, queue: str, reason: Reason = Reason.BROKEN_ENVELOPE, error: str = "") -> str:
        """Keep bytes that are no message, and return the id made of them."""
        letter = DeadLetter(
            id=quarantine_id(raw, queue), reason=reason, queue=queue, error=error or None, payload=as_base64(raw)
        )
        self.add(letter)
        return letter.id

    def list(self, limit: int = 50, offset: int = 0) -> "list[DeadLetter]":
        """The letters, newest first."""
        ids = self._redis.zrevrange(self._by_time, offset, offset + limit - 1) if limit > 0 else []
        found = [self.get(_text(key)) for key in cast("list[bytes]", ids)]
        return [letter for letter in found if letter is not None]

    def get(self, letter_id: str) -> DeadLetter | None:
        """One letter, or None."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(self._letters, letter_id)
            pipe.zscore(self._first_seen, letter_id)
            found, first_seen = pipe.execute()
        if found is None:
            return None
        seen = datetime.fromtimestamp(first_seen or 0, UTC)
        values: dict[str, Any] = json.loads(found)
        values.update(first_seen=format_timestamp(seen), reason=Reason(values["reason"]))
        return DeadLetter(**values)

    def count(self) -> int:
        """How many letters there are."""
        return self._redis.zcard(self._by_time)

    def remove(self, letter_id: str) -> bool:
        """Forget a letter; False where there was none."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(self._letters, letter_id)
            pipe.zrem(self._by_time, letter_id)
            pipe.zrem(self._first_seen, letter_id)
            pipe.delete(self._losses + letter_id)
            removed = pipe.execute()
        return bool(removed[0])

    def count_loss(self, task_id: str) -> int:
        """Count that a task took its pool child down, and return how often it has."""
        key = self._losses + task_id
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, _LOSSES_KEPT_SECS)
            return int(pipe.execute()[0])

    def forget_losses(self, task_id: str) -> None:
        """Start the count of a task anew: it ended in an orderly way."""
        self._redis.delete(self._losses + task_id)


def dead_letters_of(app: Any) -> DeadLetters:
    """The store of an app: `broker_transport_options["dead_letters_url"]`, else the broker's own Redis."""
    url = app.conf.broker_transport_options.get("dead_letters_url") or app.conf.broker_read_url
    return dead_letters_at(url)


def shown(url: str) -> str:
    """An address without user, password and options; `dead_letters_at` takes it in place of the whole one.

    A worker tells its transport options to whoever asks, and Flower asks: no password may be in them.
    """
    name = re.sub("//[^/]*@", "//", url).partition("?")[0]
    _addresses[name] = url
    return name


@lru_cache(maxsize=8)
def dead_letters_at(url: str) -> DeadLetters:
    """The store in one Redis; a call of it takes seconds at most, because a worker's loop waits for it."""
    address = _addresses.get(url, url).replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    client = redis.Redis.from_url(
        address,
        socket_timeout=_TIMEOUT_SECS,
        socket_connect_timeout=_TIMEOUT_SECS,
        retry=Retry(NoBackoff(), 1),
    )
    return DeadLetters(client)


def as_base64(raw: bytes) -> dict[str, Any]:
    """A payload made of bytes that could not be read."""
    return {"base64": base64.b64encode(raw).decode("ascii")}


def quarantine_id(raw: bytes, queue: str) -> str:
    """The same id for the same bytes on the same queue."""
    return hashlib.sha256(queue.encode() + b"\x00" + raw).hexdigest()


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key
