"""A pot of dead letters in Redis: the letters, and an index of their groups.

Whatever changes a pot is one script, so whoever is killed leaves the letters and their index as they were, or changed
whole. A letter costs O(log n), however many there are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import redis
from redis.exceptions import ResponseError

from ..connections.replicas import write
from ..connections.replies import State, state_of
from ..counts import number_of
from ..keys import PotKeys
from ..lua import script
from ..timestamps import moment_of

T = TypeVar("T")

_MOST_DROPPED = 1000  # in one step, because Redis does nothing else meanwhile
_READ_AT_ONCE = 200
_READ_BYTES = 8 * 2**20  # or one larger letter
_CHECKED_AT_ONCE = 1000
_GONE = "-1"  # in the place of a letter's time

_LETTERS = script("letters")
_ADD = _LETTERS + script("add_letter")
_GROUP = _LETTERS + script("group_letters")
_RECOUNT = _LETTERS + script("recount_group")
_REMOVE = _LETTERS + script("remove_letter")
_STRAYS = script("stray_letters")
_SUM = _LETTERS + script("sum_letters")
_LIST = script("list_letters")
_IDS = script("list_ids")
_NOTES = script("notes")
_TRIM = _LETTERS + script("trim_letters")


class Written(NamedTuple):
    """A letter as it is in Redis, and when its task failed first, in seconds since 1970."""

    id: str
    text: bytes
    first_seen: float


class Dropped(NamedTuple):
    """A letter that was dropped: too old, or, if it `gave_way`, beyond a bound."""

    id: str
    group: str
    gave_way: bool


@dataclass(frozen=True)
class Sizes:
    """How much a group has, and its first and last letter with their times in seconds since 1970."""

    count: int
    size_bytes: int
    first: float
    last: float
    sample: str
    queue: str


class Pot:
    """Reads and writes letters as texts, and groups by name; every method may raise redis.RedisError."""

    def __init__(self, client: "redis.Redis", keys: PotKeys, min_replicas: int = 0) -> None:
        self._redis: Any = client
        self.keys = keys
        self._min_replicas = min_replicas

    def add(
        self,
        letter_id: str,
        text: str | bytes,
        failed_at: float,
        first_seen: float,
        group: str,
        queue: str,
        *,
        unless_later: bool = False,
    ) -> None:
        """Keep a letter in the place of another one with the same id, and wait until enough replicas have it.

        With `unless_later`, it does not take the place of a later failure's.
        """
        arguments = (letter_id, text, failed_at, first_seen, group, queue, int(unless_later))
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.eval(_ADD, len(self.keys.of_scripts), *self.keys.of_scripts, *arguments)
            write(pipe, self._min_replicas)

    def regroup(self, letters: Iterable[tuple[str, str, str, str]]) -> None:
        """Count strays (id, time, group, queue) to their groups. Some hundred at once: Redis waits.

        What has no letter any more, or was written again since, is not counted.
        """
        self._run(_GROUP, *chain.from_iterable(letters))

    def forget_gone(self) -> None:
        """Take the letters out of their groups that older releases have removed without looking at groups."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zcard(self.keys.by_time)
            pipe.hlen(self.keys.group_of)
            letters, grouped = pipe.execute()
        if letters == grouped:
            return
        known = {_text(letter_id) for letter_id in self._redis.hkeys(self.keys.group_of)}
        for some in slices(list(known.difference(self.ids())), _READ_AT_ONCE):
            self.regroup((letter_id, _GONE, "", "") for letter_id in some)

    def recount(self) -> None:
        """Add up the groups again, and all letters, if together the groups do not have the bytes of all letters."""
        groups = self._redis.zrange(self.keys.groups_by_bytes, 0, -1, withscores=True)
        if self._size_bytes() != sum(size for _, size in groups):
            for name, _ in groups:
                self._run(_RECOUNT, name)
            self._run(_SUM)

    def remove(self, letter_id: str, failed_at: float | None, losses: str) -> bool:
        """Forget a letter and its losses; with `failed_at` only where it is still the letter of that failure."""
        stamp = "" if failed_at is None else failed_at
        return bool(self._redis.eval(_REMOVE, 12, *self.keys.of_scripts, losses, letter_id, stamp))

    def trim(self, newest: str, most: int, most_bytes: int, oldest: float, now: float) -> list[Dropped]:
        """Drop what is beyond the bounds: of what is too much, the oldest letters of the largest group."""
        found = [_text(value) for value in self._run(_TRIM, newest, most, most_bytes, oldest, _MOST_DROPPED, now)]
        return [Dropped(letter_id, group, bool(gave_way)) for letter_id, group, gave_way in slices(found, 3)]

    def count(self) -> int:
        """How many letters there are."""
        return self._redis.zcard(self.keys.by_time)

    def state(self) -> tuple[int, int, datetime | None]:
        """How many letters there are, how many bytes they have together, and when the oldest failed."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zcard(self.keys.by_time)
            pipe.zrange(self.keys.by_time, 0, 0, withscores=True)
            count, first = pipe.execute()
        return count, self._size_bytes(), moment_of(first[0][1]) if first else None

    def times(self, group: str | None = None, most: int | None = None) -> list[tuple[str, float]]:
        """Each letter's id and when its task failed, newest first; of one group, if one is given."""
        key = self.keys.by_time if group is None else self.keys.group(group)
        found = self._redis.eval(_LIST, 1, key, -1 if most is None else most)
        parts = _text(found).split("\0") if found else []
        return list(zip(parts[::2], map(float, parts[1::2]), strict=True))

    def ids(self) -> list[str]:
        """Each letter's id, newest first."""
        found = self._redis.eval(_IDS, 1, self.keys.by_time)
        return _text(found).split("\0") if found else []

    def has(self, letter_id: str) -> bool:
        """Whether there is a letter with this id."""
        return bool(self._redis.hexists(self.keys.letters, letter_id))

    def read(self, ids: Sequence[str]) -> Iterator[Written]:
        """The letters with these ids that are there, in this order."""
        left = list(ids)
        while left:
            some = left[:_READ_AT_ONCE]
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.eval(_NOTES, 1, self.keys.letters, _READ_BYTES, *some)
                pipe.zmscore(self.keys.first_seen, some)
                texts, seen = pipe.execute()
            for letter_id, text, first_seen in zip(some, texts, seen, strict=False):
                if text is not None:
                    yield Written(letter_id, text, first_seen or 0.0)
            left = left[len(texts) :]

    def strays(self) -> list[tuple[str, str]]:
        """The ids and times of the letters that older releases have written without looking at groups."""
        keys = [self.keys.by_time, self.keys.group_of, self.keys.group("")]
        with self._redis.pipeline(transaction=False) as pipe:
            for first in range(0, self.count(), _CHECKED_AT_ONCE):
                pipe.eval(_STRAYS, len(keys), *keys, first, first + _CHECKED_AT_ONCE - 1)
            found = [_text(value) for some in pipe.execute() for value in some]
        return list(zip(found[::2], found[1::2], strict=True))

    def groups(self) -> dict[str, Sizes]:
        """Each group's sizes, by its name, the one with the most letters first."""
        counts = self._redis.zrevrange(self.keys.groups_by_count, 0, -1)
        names = [_text(name) for name in counts]
        sizes = dict(self._redis.zrange(self.keys.groups_by_bytes, 0, -1, withscores=True))
        queues = self._redis.hgetall(self.keys.group_queues)
        found: dict[str, Sizes] = {}
        for some in slices(names, _READ_AT_ONCE):
            with self._redis.pipeline(transaction=True) as pipe:
                for name in some:
                    pipe.zcard(self.keys.group(name))
                    pipe.zrange(self.keys.group(name), 0, 0, withscores=True)
                    pipe.zrevrange(self.keys.group(name), 0, 0, withscores=True)
                read = slices(pipe.execute(), 3)
            for name, (count, first, last) in zip(some, read, strict=True):
                if count:
                    key = name.encode()
                    found[name] = Sizes(
                        count,
                        int(sizes.get(key, 0)),
                        first[0][1],
                        last[0][1],
                        _text(last[0][0]),
                        _text(queues.get(key, b"")),
                    )
        return found

    def counts_between(self, first: float, end: float) -> dict[str, int]:
        """How many letters of each group failed from `first` on and before `end`, in seconds since 1970."""
        names = [_text(name) for name in self._redis.zrange(self.keys.groups_by_count, 0, -1)]
        found: dict[str, int] = {}
        for some in slices(names, _READ_AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipe:
                for name in some:
                    pipe.zcount(self.keys.group(name), first, f"({end}")
                found.update(zip(some, pipe.execute(), strict=True))
        return found

    def queues_of_larger(self, count: float, size_bytes: float) -> set[str]:
        """The queues of the groups that have at least so many letters, or so many bytes."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrangebyscore(self.keys.groups_by_count, count, "+inf")
            pipe.zrangebyscore(self.keys.groups_by_bytes, size_bytes, "+inf")
            names = list({name for found in pipe.execute() for name in found})
        queues = self._redis.hmget(self.keys.group_queues, names) if names else []
        return {_text(queue) for queue in queues if queue}

    def gave_way(self) -> Mapping[str, tuple[int, float]]:
        """How many letters of each group gave way to a bound, and when the last did."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(self.keys.gave_way)
            pipe.zrange(self.keys.gave_way_at, 0, -1, withscores=True)
            counts, times = pipe.execute()
        at = dict(times)
        return {_text(name): (number_of(count), at.get(name, 0.0)) for name, count in counts.items()}

    def forget_gave_way(self) -> None:
        """Count from zero again what gives way."""
        self._redis.delete(self.keys.gave_way, self.keys.gave_way_at)

    def _size_bytes(self) -> int:
        """How many bytes all letters have together; 0 if the key holds no number, which `mgw doctor` names."""
        try:
            return number_of(self._redis.get(self.keys.size_bytes))
        except ResponseError as error:
            if state_of(error) is not State.CORRUPT_KEY:
                raise
            return 0

    def _run(self, text: str, *arguments: Any) -> Any:
        return self._redis.eval(text, 11, *self.keys.of_scripts, *arguments)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def slices(values: "Sequence[T]", size: int) -> "Iterator[Sequence[T]]":
    """The values in slices of this size."""
    return (values[start : start + size] for start in range(0, len(values), size))
