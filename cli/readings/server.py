"""One reading of what is in Redis: the parts of each server are asked in one round trip."""

import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ...delivery.connections.connection import connect
from ...delivery.connections.replies import NotNow, State, state_of, summary_of
from ..threads import Shared
from .samples import Fact, Note, Sample

T = TypeVar("T")

_TIMEOUT_SECS = 1.5  # for a connection, and for a reply
_AWAY = (RedisError, OSError, TimeoutError)


class Part(Protocol):
    """Something that is read of one server."""

    name: str

    def ask(self, pipe: Any) -> None:
        """Add commands to a pipeline."""
        ...

    def read(self, replies: Sequence[Any]) -> Iterator[Fact]:
        """What their replies say."""
        ...


class Server:
    """One server, and the parts that are read of it."""

    def __init__(self, name: str, url: str, parts: Sequence[Part]) -> None:
        self.name, self._parts = name, parts
        # One more try: an idle connection may have been closed. Not more, because a scrape waits.
        once = Retry(NoBackoff(), 1)
        self._redis: Redis = connect(url, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS, retry=once)
        weakref.finalize(self, self._redis.close).atexit = False  # whoever drops this keeps no connection open
        self._last_read = 0.0
        self.reading, self.ping = Shared(self._read), Shared(self._redis.ping)

    def facts(self, reading: "Future[list[Fact]]", deadline: float) -> list[Fact]:
        """What a reading says by this time of the monotonic clock; that the server is away, if it says nothing."""
        try:
            found = _in_time(reading, deadline)
        except _AWAY as error:
            found = [Sample("redis_up", 0, (self.name,)), Note("redis_error", summary_of(error), (self.name,))]
        return [*found, *self._when_read()]

    def answers(self, ping: "Future[bool]", deadline: float) -> bool:
        """Whether a ping is answered by this time."""
        with suppress(*_AWAY):
            return _in_time(ping, deadline)
        return False

    def _when_read(self) -> Iterator[Sample]:
        if self._last_read:
            yield Sample("last_read_timestamp_seconds", self._last_read, (self.name,))

    def _read(self) -> list[Fact]:
        began = time.monotonic()
        try:
            facts = self._read_parts(self._parts)
        except NotNow as refused:
            if state_of(refused) is not State.REFUSED:
                raise
            facts = [fact for part in self._parts for fact in self._read_alone(part)]
        self._last_read = time.time()
        return [
            Sample("redis_up", 1, (self.name,)),
            Sample("read_seconds", time.monotonic() - began, (self.name,)),
            *facts,
        ]

    def _read_parts(self, parts: Sequence[Part]) -> list[Fact]:
        with self._redis.pipeline(transaction=False) as pipe:
            ends = [_asked(part, pipe) for part in parts]
            replies: list[Any] = pipe.execute(raise_on_error=False)
        answered = zip(parts, _slices(replies, ends), strict=True)
        return [fact for part, own in answered for fact in self._facts_of(part, own)]

    def _read_alone(self, part: Part) -> list[Fact]:
        """What a part says; only that it cannot be read, if Redis' user may not: such a reply ends a pipeline."""
        try:
            return self._read_parts([part])
        except NotNow as refused:
            if state_of(refused) is not State.REFUSED:
                raise
            return [Sample("part_readable", 0, (self.name, part.name))]

    def _facts_of(self, part: Part, replies: list[Any]) -> list[Fact]:
        """What a part says; only that it cannot be read, if Redis refused a command of it or its data are broken."""
        labels = self.name, part.name
        with suppress(ValueError, TypeError, LookupError, AttributeError, OverflowError):
            if not any(isinstance(reply, Exception) for reply in replies):
                return [Sample("part_readable", 1, labels), *part.read(replies)]
        return [Sample("part_readable", 0, labels)]


def _in_time(running: "Future[T]", deadline: float) -> T:
    return running.result(max(0.0, deadline - time.monotonic()))


def _asked(part: Part, pipe: Any) -> int:
    part.ask(pipe)
    return len(pipe)


def _slices(replies: list[Any], ends: list[int]) -> Iterator[list[Any]]:
    yield from (replies[start:end] for start, end in zip([0, *ends], ends, strict=False))
