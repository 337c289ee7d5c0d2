"""The dead letters: whatever ended in failure, kept in Redis where a person finds it.

A letter about a task has the task's id; one about a message that is no task has an id made of its bytes. Letters hold
payloads, hence conversation content, and are the one place beside the queues that does. They are in two pots, each
bounded in number and bytes: those of tasks, and the quarantine of what is no task, so that junk costs no task its
letter. Beyond a bound the oldest letters of the largest group give way, which is counted, and logged, and warned of
before; letters that are too old are dropped.
"""

import base64
import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import redis
from kombu.utils.json import dumps
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..bounds import Bounds
from ..connections.connection import connect
from ..keys import Keys
from ..lua import script
from ..timestamps import format_timestamp, moment_of, parse_timestamp
from .groups import LetterGroup, group_named, name_of_group
from .pot import Pot, Written, slices
from .reasons import JUNK, Reason
from .unopened import UNOPENED

__all__ = ["DeadLetter", "DeadLetters", "Entry", "Reason", "as_base64", "dead_letters_at", "quarantine_id"]

logger = logging.getLogger(__name__)

JUNK_KEPT_BYTES = 64 * 1024  # of what could not be read: enough to see who sent it
_TIMEOUT_SECS = 3.0
_NEARLY = 0.8  # of a bound: from there on one is warned
_FULL = 0.25  # of a bound: from there on a group may hold its queue
_READ_AT_ONCE = 200
_REPLAY_SECS = 60
_LOSSES_KEPT_SECS = 7 * 86_400
_COUNT_UP = script("count_up")


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    """One failure: which task, why, and what it carried.

    `message` and `fields` are fit to be logged; `payload` is not. Of a task it is `{"args", "kwargs"}`, with `embed`
    where more hangs on it (the rest of a chain, callbacks, a chord's body) and `options` where its sender set any: how
    it was to run (eta, expires, timelimit, priority, headers, its place in a group). Of a known task's message that no
    worker opens (too large, or compressed in another way than zlib and gzip) it is `{"envelope"}`, the message as it
    was. Of what could not be read it is
    `{"base64"}`, the raw bytes; of more than 64 KiB the beginning, with the `size_bytes` and the `sha256` of all.
    `keys_believed`: whether the service was believed to deduplicate by the task's id when it was called, and for how
    many days it said that it knows an id (`keys_kept_days`); None where nobody knows.
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
    keys_believed: bool | None = None
    keys_kept_days: int | None = None
    attempts: int = 0
    payload: dict[str, Any] | None = None
    first_seen: str = ""
    failed_at: str = ""


class Entry(NamedTuple):
    """A letter's place in the list: its id, when its task failed (seconds since 1970), whether it is in quarantine."""

    id: str
    failed_at: float
    in_quarantine: bool


class DeadLetters:
    """The store. Every method may raise redis.RedisError; what was not stored must not be acknowledged."""

    def __init__(self, client: "redis.Redis", keys: Keys, bounds: Bounds | None = None, min_replicas: int = 0) -> None:
        """Without `bounds` nothing is ever dropped by this object."""
        self._redis, self._names, self._bounds = client, keys, bounds
        self._failures = Pot(client, keys.failures, min_replicas)
        self._quarantine = Pot(client, keys.quarantine, min_replicas)
        self._pots = (self._failures, self._quarantine)

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter; one about the same task takes the place of the older.

        Raises: DeliveryUncertain if it is kept, and too few replicas have it yet.
        """
        moment = datetime.now(UTC)
        pot = self._quarantine if _is_junk(letter) else self._failures
        letter = dataclasses.replace(letter, failed_at=format_timestamp(moment))
        _put(pot, letter, moment.timestamp(), moment.timestamp())
        self._trim(pot, newest=letter.id)

    def trim(self) -> None:
        """Drop the letters that are beyond the bounds, and name in the log what was dropped."""
        for pot in self._pots:
            self._trim(pot)

    def keep_bounds(self) -> None:
        """Drop the letters that are beyond the bounds, and warn in the log of what will be dropped soon."""
        self._mend_groups()
        self.trim()
        warning = self.warning()
        if warning:
            logger.warning("%s See: mgw dead list", warning)

    def warning(self) -> str | None:
        """What is about to be dropped and why, or None."""
        if self._bounds is None:
            return None
        found = [self._bounds.nearly(*self._failures.state(), _NEARLY)]
        found.append(self._bounds.of_quarantine.nearly(*self._quarantine.state(), _NEARLY))
        return " ".join(filter(None, found)) or None

    def quarantine(self, raw: bytes, queue: str, reason: Reason = Reason.BROKEN_ENVELOPE, error: str = "") -> str:
        """Keep bytes that are no message, and return the id made of them."""
        letter = DeadLetter(
            id=quarantine_id(raw, queue), reason=reason, queue=queue, error=error or None, payload=as_base64(raw)
        )
        self.add(letter)
        return letter.id

    def groups(self) -> "list[LetterGroup]":
        """The letters by task, reason and error, the largest group first, with what has given way of each."""
        self._mend_groups()
        found: list[LetterGroup] = []
        for pot in self._pots:
            sizes, gave_way = pot.groups(), pot.gave_way()
            found += [group_named(name, sizes.get(name), gave_way.get(name)) for name in {**sizes, **gave_way}]
        return sorted(found, key=lambda group: -group.count)

    def failed_between(self, first: datetime, end: datetime) -> "tuple[list[LetterGroup], list[LetterGroup]]":
        """The groups with letters that failed in this time and are still there, and those in quarantine.

        `count` is how many letters of that time a group has; the largest comes first.
        """
        self._mend_groups()
        failures, quarantine = (_counted(pot.counts_between(first.timestamp(), end.timestamp())) for pot in self._pots)
        return failures, quarantine

    def gave_way(self) -> "list[LetterGroup]":
        """The groups of which letters were dropped because a bound was reached."""
        return [group_named(name, None, found) for pot in self._pots for name, found in pot.gave_way().items()]

    def forget_gave_way(self) -> None:
        """Count from zero again what gives way."""
        for pot in self._pots:
            pot.forget_gave_way()

    def full_queues(self) -> set[str]:
        """The queues whose tasks have left a group of letters that fills a quarter of a bound."""
        if self._bounds is None:
            return set()
        return self._failures.queues_of_larger(self._bounds.most * _FULL, self._bounds.most_bytes * _FULL)

    def entries(self, groups: "Iterable[LetterGroup] | None" = None, most: int | None = None) -> "list[Entry]":
        """The places of the letters, or of those in some groups, newest first."""
        # Both pots may have a group of one name; its letters are listed once.
        names = None if groups is None else {name_of_group(one.task, one.reason, one.error): None for one in groups}
        found = [
            Entry(letter_id, failed_at, pot is self._quarantine)
            for pot in self._pots
            for name in ([None] if names is None else names)
            for letter_id, failed_at in pot.times(name, most)
        ]
        return sorted(found, key=lambda entry: -entry.failed_at)

    def read(self, entries: "Sequence[Entry]") -> "Iterator[DeadLetter]":
        """The letters in these places that are still there, in this order."""
        for some in slices(entries, _READ_AT_ONCE):
            found = {
                (pot is self._quarantine, written.id): written
                for pot in self._pots
                for written in pot.read(
                    [entry.id for entry in some if entry.in_quarantine is (pot is self._quarantine)]
                )
            }
            wanted = [found.get((entry.in_quarantine, entry.id)) for entry in some]
            yield from (_letter_of(written) for written in wanted if written)

    def list(self, limit: int = 50, offset: int = 0) -> "list[DeadLetter]":
        """The letters, newest first."""
        return list(self.read(self.entries(most=offset + limit)[offset : offset + limit])) if limit > 0 else []

    def all(self) -> "Iterator[DeadLetter]":
        """Every letter that is there now, newest first; those that come meanwhile are not among them."""
        return self.read(self.entries())

    def ids(self) -> "list[str]":
        """The ids of all letters, newest first, those in quarantine last. No letter is read."""
        return [letter_id for pot in self._pots for letter_id in pot.ids()]

    def take_over(self, other: "DeadLetters") -> "Iterator[int]":
        """Move the letters of another store here as they are, and yield how many, some at a time.

        Whoever is killed leaves one letter in both, and the next call ends that. The letter here stays if its task
        failed later.
        """
        other._mend_groups()
        for theirs, ours in zip(other._pots, self._pots, strict=True):
            for some in slices(theirs.times(), _READ_AT_ONCE):
                times = dict(some)
                for written in theirs.read(list(times)):
                    letter, failed_at = _letter_of(written), times[written.id]
                    facts = (written.id, written.text, failed_at, written.first_seen, _group_of(letter), letter.queue)
                    ours.add(*facts, unless_later=True)
                    theirs.remove(written.id, failed_at, other._names.losses(written.id))
                yield len(some)

    def has(self, letter_id: str) -> bool:
        """Whether there is a letter with this id; it is not read."""
        return any(pot.has(letter_id) for pot in self._pots)

    def get(self, letter_id: str) -> DeadLetter | None:
        """One letter, or None."""
        found = (written for pot in self._pots for written in pot.read([letter_id]))
        written = next(found, None)
        return _letter_of(written) if written else None

    def count(self) -> int:
        """How many letters there are."""
        return sum(pot.count() for pot in self._pots)

    def remove(self, letter_id: str, failed_at: str = "") -> bool:
        """Forget a letter and its losses; with `failed_at` only where it is still the letter of that failure.

        False where there was none.
        """
        stamp = parse_timestamp(failed_at).timestamp() if failed_at else None
        return any(pot.remove(letter_id, stamp, self._names.losses(letter_id)) for pot in self._pots)

    def remove_entry(self, entry: Entry) -> bool:
        """Forget the letter in this place and its losses, without reading it; False where its task failed again."""
        pot = self._quarantine if entry.in_quarantine else self._failures
        return pot.remove(entry.id, entry.failed_at, self._names.losses(entry.id))

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
        counted: Any = self._redis.eval(_COUNT_UP, 1, self._names.losses(task_id), _LOSSES_KEPT_SECS)
        return int(counted)

    def forget_losses(self, task_id: str) -> None:
        """Start the count of a task again: it ended in an orderly way."""
        self._redis.delete(self._names.losses(task_id))

    def _trim(self, pot: Pot, newest: str = "") -> None:
        if self._bounds is None:
            return
        bounds = self._bounds.of_quarantine if pot is self._quarantine else self._bounds
        moment = datetime.now(UTC)
        oldest = moment - timedelta(days=bounds.kept_days)
        for one in pot.trim(newest, bounds.most, bounds.most_bytes, oldest.timestamp(), moment.timestamp()):
            why = "a bound is reached, and its group is the largest" if one.gave_way else "it is too old"
            logger.error("Dead letter %s dropped: %s %s", one.id, why, one.group)

    def _mend_groups(self) -> None:
        """Count to their groups what older releases have written or removed, and move their junk to the quarantine.

        Workers of such a release may run beside those of this one, so every listing looks. Letters are read in slices,
        so 100,000 of them take no more memory than some hundred. Whoever is killed in between leaves a letter twice at
        most; the next call removes one of them.
        """
        for some in slices(self._failures.strays(), _READ_AT_ONCE):
            places = {letter_id: (letter_id, time, "", "") for letter_id, time in some}
            for written in self._failures.read(list(places)):
                letter = _letter_of(written)
                if _is_junk(letter) and letter.failed_at:
                    failed_at = parse_timestamp(letter.failed_at).timestamp()
                    _put(self._quarantine, _cut(letter), failed_at, written.first_seen)
                    self._failures.remove(letter.id, failed_at, self._names.losses(letter.id))
                    del places[letter.id]
                else:
                    places[letter.id] = (*places[letter.id][:2], _group_of(letter), letter.queue)
            self._failures.regroup(places.values())
        self._failures.forget_gone()
        self._failures.recount()


def _counted(counts: "dict[str, int]") -> "list[LetterGroup]":
    found = [dataclasses.replace(group_named(name, None, None), count=count) for name, count in counts.items() if count]
    return sorted(found, key=lambda group: -group.count)


_NAMES = {field.name for field in dataclasses.fields(DeadLetter)}


@lru_cache(maxsize=8)
def dead_letters_at(url: str, keys: Keys, bounds: Bounds | None = None, min_replicas: int = 0) -> DeadLetters:
    """The store in one Redis; a call of it takes seconds at most, because a worker's loop waits for it."""
    client = connect(url, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS, retry=Retry(NoBackoff(), 1))
    return DeadLetters(client, keys, bounds, min_replicas)


def as_base64(raw: bytes) -> dict[str, Any]:
    """A payload made of bytes that could not be read: all of them, or their beginning, their size and their digest."""
    kept = {"base64": base64.b64encode(raw[:JUNK_KEPT_BYTES]).decode("ascii")}
    if len(raw) <= JUNK_KEPT_BYTES:
        return kept
    return {**kept, "size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def quarantine_id(raw: bytes, queue: str) -> str:
    """The same id for the same bytes on the same queue."""
    return hashlib.sha256(queue.encode() + b"\x00" + raw).hexdigest()


def _is_junk(letter: DeadLetter) -> bool:
    payload = letter.payload or {}
    return "base64" in payload or (letter.reason in JUNK and UNOPENED not in payload)


def _group_of(letter: DeadLetter) -> str:
    return name_of_group(letter.task, letter.reason, letter.error)


def _put(pot: Pot, letter: DeadLetter, failed_at: float, first_seen: float) -> None:
    pot.add(letter.id, _text_of(letter), failed_at, first_seen, _group_of(letter), letter.queue)


def _text_of(letter: DeadLetter) -> str:
    """Return a letter as JSON; times, UUIDs and the like as kombu writes them, so that a replay sends the same."""
    fields = dataclasses.asdict(letter)
    try:
        return dumps(fields)
    except (TypeError, ValueError):  # an object that only another serializer of the app can write
        return json.dumps(fields, default=repr)


def _cut(letter: DeadLetter) -> DeadLetter:
    payload = letter.payload or {}
    if "base64" not in payload or "sha256" in payload:
        return letter
    return dataclasses.replace(letter, payload=as_base64(base64.b64decode(payload["base64"])))


def _letter_of(written: Written) -> DeadLetter:
    """The letter that is written there; of one that cannot be read, its bytes."""
    first = moment_of(written.first_seen)
    first_seen = format_timestamp(first) if first else ""
    try:
        kept = _loads(written.text)
        values = {name: value for name, value in kept.items() if name in _NAMES}  # newer releases may say more
        values.update(id=written.id, first_seen=first_seen, reason=Reason(values["reason"]))
        return DeadLetter(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return DeadLetter(
            written.id, Reason.UNDECODABLE, "", error="unreadable letter", payload=as_base64(written.text)
        )


def _loads(text: bytes) -> dict[str, Any]:
    try:
        return orjson.loads(text)
    except ValueError:  # half a surrogate pair, which JSON may hold
        return json.loads(text)
