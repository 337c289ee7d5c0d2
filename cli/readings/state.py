"""What is read of the Redis that has holds, breakers, dead letters, sweeps and beat's lock."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from ...delivery.bounds import Bounds
from ...delivery.dead_letters.groups import group_named
from ...delivery.held_queues.breakers import CLOSED, HALF_OPEN, OPEN, breaker_of
from ...delivery.held_queues.by_hand import read_by_hand
from ...delivery.held_queues.holds import ASKED, DOWN, GROWING, TRIAL, hold_of
from ...delivery.keys import PotKeys
from ...schemas.fields import format_timestamp
from ...tasks.archival.glance import ask_sweeps, read_sweeps
from ...tasks.archival.state import Status, Sweep
from ...tasks.beats import ask_beats
from ...tasks.usage_counts import ask_counts, read_counts
from ..target import Target
from .samples import Fact, Note, Sample

OTHER = "other"  # in the place of a name that this app does not know
_CAUSES = {DOWN: "down", TRIAL: "trial", GROWING: "growing", ASKED: "asked"}
_MOST_GROUPS = 1000


class ServicesPart:
    """How the services are held, and their circuit breakers."""

    name = "services"

    def __init__(self, target: Target) -> None:
        self._keys, self._queues = target.delivery.keys, target.queues
        self._services = sorted({service for needed in target.delivery.needs.values() for service in needed})
        self._breaker = breaker_of(target.delivery)

    def ask(self, pipe: Any) -> None:
        """Ask for each service's hold, and for the queues whose dead letters fill up."""
        for service in self._services:
            pipe.hgetall(self._keys.hold(service))
        pipe.hkeys(self._keys.full)

    def read(self, replies: Sequence[Any]) -> Iterator[Fact]:
        """How each service is held, and which queues are for their dead letters; then the breakers are asked."""
        *holds, full = replies
        for service, found in zip(self._services, holds, strict=True):
            hold = hold_of(service, found)
            yield Sample("service_held", hold is not None, (service,))
            cause = hold and _CAUSES.get(hold.why, OTHER)
            for one in (*_CAUSES.values(), OTHER):
                yield Sample("service_hold_cause", one == cause, (service, one))
            if hold is not None:
                yield Sample("service_permits", max(0, hold.permits), (service,))
                yield Sample("service_held_seconds", _age_secs(hold.since), (service,))
                yield Note("service_held_why", hold.why, (service,))
                yield Note("service_held_since", format_timestamp(hold.since), (service,))
        for queue in self._queues:
            yield Sample("queue_full", queue.encode() in full, (queue,))
        for service in self._services:
            yield from self._breaker_of(service)

    def _breaker_of(self, service: str) -> Iterator[Sample]:
        try:
            state = str(self._breaker(service).state)
        except Exception:  # noqa: BLE001  it may be anybody's
            state = OTHER
        known = state if state in (CLOSED, OPEN, HALF_OPEN) else OTHER
        for one in (CLOSED, HALF_OPEN, OPEN, OTHER):
            yield Sample("breaker_state", one == known, (service, one))


class ByHandPart:
    """What people decided about queues."""

    name = "by hand"

    def __init__(self, target: Target) -> None:
        self._key, self._queues = target.delivery.keys.by_hand, target.queues

    def ask(self, pipe: Any) -> None:
        """Ask for all of it."""
        pipe.hgetall(self._key)

    def read(self, replies: Sequence[Any]) -> Iterator[Fact]:
        """Which of the app's queues a person holds, and which one keeps free."""
        decided = read_by_hand(replies[0])
        for queue in self._queues:
            found = decided.get(queue)
            yield Sample("queue_held_by_person", found is not None and found.is_held, (queue,))
            yield Sample("queue_released_by_person", found is not None and not found.is_held, (queue,))
            if found is not None:
                yield Note("queue_decided_by", found.by, (queue,))
                yield Note("queue_decided_why", found.reason, (queue,))
                yield Note("queue_decided_since", format_timestamp(found.since), (queue,))


class LettersPart:
    """The dead letters of one pot, by task and reason: by the index of their groups, of which the largest are read."""

    def __init__(self, pot: str, keys: PotKeys, bounds: Bounds, tasks: Collection[str]) -> None:
        self.name, self._pot, self._keys, self._bounds, self._tasks = f"dead letters: {pot}", pot, keys, bounds, tasks

    def ask(self, pipe: Any) -> None:
        """Ask for their number, their size and the largest groups."""
        pipe.zcard(self._keys.by_time)
        pipe.get(self._keys.size_bytes)
        pipe.zrevrange(self._keys.groups_by_count, 0, _MOST_GROUPS - 1, withscores=True)
        pipe.hvals(self._keys.gave_way)

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """How many letters there are, of which task and for which reason, and how many were dropped."""
        count, size_bytes, groups, dropped = replies
        counts = Counter[tuple[str, str]]()
        for name, letters in groups:
            counts[self._labels(name)] += int(letters)
        counts[OTHER, OTHER] += max(0, count - counts.total())
        for labels, letters in counts.items():
            yield Sample("dead_letters", letters, (self._pot, *labels))
        yield Sample("dead_letters_bytes", int(size_bytes or 0), (self._pot,))
        yield Sample("dead_letters_max", self._bounds.most, (self._pot,))
        yield Sample("dead_letters_max_bytes", self._bounds.most_bytes, (self._pot,))
        yield Sample("dead_letters_dropped", sum(map(int, dropped)), (self._pot,))

    def _labels(self, name: bytes) -> tuple[str, str]:
        try:
            group = group_named(name.decode(), None, None)
        except (ValueError, TypeError):
            return OTHER, OTHER
        return (group.task if group.task and group.task in self._tasks else OTHER), str(group.reason)


class SweepsPart:
    """The newest archival sweep."""

    name = "sweeps"

    def ask(self, pipe: Any) -> None:
        """Ask for it in one step of Redis."""
        ask_sweeps(pipe)

    def read(self, replies: Sequence[Any]) -> Iterator[Fact]:
        """Whether sweeps are paused, and how far the newest is; nothing of it before the first one."""
        paused, newest = read_sweeps(replies)
        yield Sample("sweeps_paused", paused)
        if newest is None:
            return
        archived, failed, skipped = newest.sweep.counts
        counts = {"archived": archived, "failed": failed, "skipped": skipped, "pending": newest.sessions}
        for status in Status:
            yield Sample("sweep_status", newest.sweep.status is status, (str(status),))
        yield Sample("sweep_age_seconds", _age_secs(newest.sweep.started_at))
        yield Sample("sweep_sessions_listed", sum(counts.values()))
        for outcome, count in counts.items():
            yield Sample("sweep_sessions", count, (outcome,))
        yield Sample("sweep_batches_in_flight", newest.batches)
        yield from _notes_of(newest.sweep)


def _notes_of(sweep: Sweep) -> Iterator[Note]:
    yield Note("sweep_id", sweep.sweep_id)
    yield Note("sweep_trigger", str(sweep.trigger))
    yield Note("sweep_started_at", format_timestamp(sweep.started_at))
    if sweep.finished_at:
        yield Note("sweep_finished_at", format_timestamp(sweep.finished_at))
    if sweep.reason:
        yield Note("sweep_reason", sweep.reason)


class BeatPart:
    """Beat's lock, and the beats that are there."""

    name = "beat"

    def ask(self, pipe: Any) -> None:
        """Ask for both."""
        ask_beats(pipe)

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """Whether a beat has the lock, and how many beats there are, that one included."""
        is_locked, beats = replies
        yield Sample("beat_lock_held", is_locked)
        yield Sample("beats", beats)


class UsagePart:
    """What became of usage reports."""

    name = "usage"

    def ask(self, pipe: Any) -> None:
        """Ask for the counts."""
        ask_counts(pipe)

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """How many reports workers have sent with success, and how many failed for good."""
        for outcome, count in read_counts(replies).items():
            yield Sample("usage_reports", count, (outcome,))


class RedisPart:
    """The server itself."""

    name = "redis"

    def __init__(self, server: str) -> None:
        self._server = server

    def ask(self, pipe: Any) -> None:
        """Ask for its memory and its role."""
        pipe.info("memory")
        pipe.info("replication")

    def read(self, replies: Sequence[Any]) -> Iterator[Sample]:
        """Its memory, the most that it may have, its role and its replicas."""
        memory, replication = replies
        for name, value in {
            "redis_memory_bytes": memory["used_memory"],
            "redis_memory_max_bytes": memory.get("maxmemory", 0),
            "redis_primary": replication["role"] == "master",
            "redis_replicas": replication.get("connected_slaves", 0),
        }.items():
            yield Sample(name, value, (self._server,))


def _age_secs(moment: datetime) -> float:
    return max(0.0, time.time() - moment.timestamp())
