"""One reading of what is in Redis: the parts of each server are asked in one round trip."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ...delivery.connections.connection import connect
from ..threads import Shared
from .families import Sample

T = TypeVar("T")

_SECS = 1.5  # for a connection, and for a reply


class Part(Protocol):
    """Something that is read of one server."""

    name: str

    def ask(self, pipe: Any) -> None:
        """Add commands to a pipeline."""
        ...

    def told(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """What their replies say."""
        ...


class Server:
    """One server, and the parts that are read of it."""

    def __init__(self, name: str, url: str, parts: Sequence[Part]) -> None:
        self.name, self._parts = name, parts
        # One more try: an idle connection may have been closed. Not more, because a scrape waits.
        once = Retry(NoBackoff(), 1)
        self._redis: Redis = connect(url, timeout_secs=_SECS, connect_timeout_secs=_SECS, retry=once)
        self._last_read = 0.0
        self.reading, self.ping = Shared(self._read), Shared(self._redis.ping)

    def samples(self, reading: "Future[list[Sample]]", deadline: float) -> list[Sample]:
        """What a reading says by this time of the monotonic clock; that the server is away, if it says nothing."""
        found = _in_time(reading, deadline)
        return [*(found or [Sample("redis_up", 0, (self.name,))]), *self._when_read()]

    def answers(self, ping: "Future[bool]", deadline: float) -> bool:
        """Whether a ping is answered by this time."""
        return bool(_in_time(ping, deadline))

    def _when_read(self) -> Iterator[Sample]:
        if self._last_read:
            yield Sample("last_read_timestamp_seconds", self._last_read, (self.name,))

    def _read(self) -> list[Sample]:
        began = time.monotonic()
        with self._redis.pipeline(transaction=False) as pipe:
            ends = [_asked(part, pipe) for part in self._parts]
            replies: list[Any] = pipe.execute(raise_on_error=False)
        self._last_read = time.time()
        parts = zip(self._parts, _slices(replies, ends), strict=True)
        told = [sample for part, own in parts for sample in self._told(part, own)]
        return [
            Sample("redis_up", 1, (self.name,)),
            Sample("read_seconds", time.monotonic() - began, (self.name,)),
            *told,
        ]

    def _told(self, part: Part, replies: list[Any]) -> list[Sample]:
        """What a part says; only that it cannot be read, if Redis refused a command of it or its data are broken."""
        labels = self.name, part.name
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            if not any(isinstance(reply, Exception) for reply in replies):
                return [Sample("part_readable", 1, labels), *part.told(replies)]
        return [Sample("part_readable", 0, labels)]


def _in_time(running: "Future[T]", deadline: float) -> T | None:
    with suppress(RedisError, OSError, TimeoutError):
        return running.result(max(0.0, deadline - time.monotonic()))
    return None


def _asked(part: Part, pipe: Any) -> int:
    part.ask(pipe)
    return len(pipe)


def _slices(replies: list[Any], ends: list[int]) -> Iterator[list[Any]]:
    yield from (replies[start:end] for start, end in zip([0, *ends], ends, strict=False))
