"""The state of sweeps, all of it in Redis, so that any worker can continue where another one stopped.

A page is kept with its batches before any message is sent, and a batch is counted only while it is pending: what is
delivered twice counts once. While a sweep runs, Redis holds its last page, its pending batches with their sessions, and
the sessions that could not be archived; archived sessions are only counted. The rows of the
listing that could not be used are counted and named.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, cast

from redis import Redis

from ...delivery.connections.replicas import write
from ...delivery.counts import count_in_hash, is_number, number_of
from ...schemas.archival import ArchivalStats, BatchResult, Trigger
from ...schemas.fields import format_timestamp, now, parse_timestamp
from .. import connections
from ..base import broker
from .keys import INDEX, KEPT, PAUSED, SCRATCH, WRITTEN, key, keys
from .lock import SweepLock
from .page import Page
from .row_faults import RowFaults

KEPT_SECS = 90 * 86_400
MAX_RESUMES = 3
MOST_REASONS = 1000
COUNTS = ("archived", "failed", "skipped")


class Status(StrEnum):
    """The state of a sweep; `incomplete` comes with a reason."""

    RUNNING = "running"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Sweep:
    """One sweep."""

    sweep_id: str
    trigger: Trigger
    status: Status
    started_at: datetime
    cutoff: datetime
    finished_at: datetime | None = None
    walked: bool = False
    reason: str = ""
    counts: tuple[int, int, int] = (0, 0, 0)
    row_faults: RowFaults = field(default_factory=RowFaults)
    broken: tuple[str, ...] = ()  # its counts that hold no number, and so count from zero

    @property
    def age_secs(self) -> float:
        """Seconds since the sweep started."""
        return (now() - self.started_at).total_seconds()

    @classmethod
    def found(cls, sweep_id: str, record: dict[bytes, bytes]) -> "Sweep | None":
        """Return the sweep of a record in Redis; None if there is none."""
        values = {name.decode(): value.decode() for name, value in record.items()}
        return cls.read(sweep_id, values) if "started_at" in values else None

    @classmethod
    def read(cls, sweep_id: str, values: dict[str, str]) -> "Sweep":
        """Return the sweep that Redis holds as these values."""
        finished = values.get("finished_at")
        return cls(
            sweep_id,
            Trigger(values["trigger"]),
            Status(values["status"]),
            parse_timestamp(values["started_at"]),
            parse_timestamp(values["cutoff"]),
            parse_timestamp(finished) if finished else None,
            walked="walked" in values,
            reason=values.get("reason", ""),
            counts=(_count(values, "archived"), _count(values, "failed"), _count(values, "skipped")),
            row_faults=RowFaults.read(values.get("rows", "")),
            broken=tuple(name for name in COUNTS if name in values and not is_number(values[name].encode())),
        )


class Sweeps:
    """Reads and changes the state of sweeps."""

    def __init__(self, redis: Redis, min_replicas: int = 0) -> None:
        """Whatever changes a sweep raises DeliveryUncertain if fewer than `min_replicas` replicas have it in time."""
        self._redis: Any = redis
        self._min_replicas = min_replicas
        self.lock = SweepLock(redis)

    # Starting and stopping

    def begin(self, sweep_id: str, trigger: Trigger, cutoff: datetime) -> bool:
        """Take the lock and record the sweep; False if another sweep has the lock or this one has ended."""
        if not self.lock.take(sweep_id):
            return False
        first = {
            "trigger": str(trigger),
            "status": str(Status.RUNNING),
            "started_at": format_timestamp(now()),
            "cutoff": format_timestamp(cutoff),
        }
        with self._redis.pipeline(transaction=True) as pipe:
            for name, value in first.items():
                pipe.hsetnx(key(sweep_id), name, value)
            pipe.zadd(INDEX, {sweep_id: now().timestamp()}, nx=True)
            pipe.zremrangebyscore(INDEX, 0, now().timestamp() - KEPT_SECS)
            self._write(pipe)
        if self._runs(self.find(sweep_id)):
            return True
        self.lock.release(sweep_id)
        return False

    def progress(self, sweep_id: str) -> Sweep | None:
        """Return the sweep if it still runs, and renew its lock; every task of a sweep asks this first."""
        if self._runs(self.find(sweep_id)) and not self.lock.take(sweep_id):
            return None
        found = self.find(sweep_id)
        if found is None or self._runs(found):
            return found
        # It ended after the first look, or the worker that ended it died before it released the lock.
        self.lock.release(sweep_id)
        return None

    def pause(self) -> None:
        """Start no more sweeps; a running one stops after its pending batches."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(PAUSED, format_timestamp(now()))
            self._write(pipe)

    def resume(self) -> None:
        """Let sweeps start again."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.delete(PAUSED)
            self._write(pipe)

    def paused(self) -> bool:
        """Whether sweeps are paused."""
        return bool(self._redis.exists(PAUSED))

    # The walk

    def page(self, sweep_id: str) -> Page | None:
        """Return the last page with those of its batches that are still pending."""
        text = self._redis.get(key(sweep_id, "page"))
        if not text:
            return None
        page = Page.read(text)
        found = self._redis.hmget(key(sweep_id, "batches"), list(page.batches)) if page.batches else []
        pending = {batch_id: json.loads(ids) for batch_id, ids in zip(page.batches, found, strict=True) if ids}
        return replace(page, batches=pending)

    def keep_page(self, sweep_id: str, page: Page) -> bool:
        """Record a page and its batches in one step; False if another run of it, or a later page, was first."""
        batches = [part for name, ids in page.batches.items() for part in (name, json.dumps(ids))]
        position = page.position
        return self._run(
            "keep_page",
            keys(sweep_id, "", "page", "batches", "taken", "over"),
            [
                position.pass_number,
                position.index,
                page.write(),
                page.faults.write(),
                len(page.batches),
                *batches,
                *page.taken,
            ],
        )

    def untaken(self, sweep_id: str, ids: Sequence[str]) -> list[str]:
        """Return the ids that no page of the sweep has taken yet, each once."""
        if not ids:
            return []
        once = list(dict.fromkeys(ids))
        taken = self._redis.smismember(key(sweep_id, "taken"), once)
        return [session_id for session_id, there in zip(once, taken, strict=True) if not there]

    def waits_for_room(self, sweep_id: str, most: int) -> bool:
        """Let the walk wait if `most` batches are pending; the end of one of them resumes it."""
        return self._run("wait_for_room", keys(sweep_id, "", "batches"), [most])

    def walk_may_resume(self, sweep_id: str, most: int) -> bool:
        """Whether the walk waits although there is room: the worker that was to resume it may have died."""
        waits = self._redis.hexists(key(sweep_id), "waits")
        return bool(waits) and self._redis.hlen(key(sweep_id, "batches")) < most

    def end_walk(self, sweep_id: str, reason: str = "") -> None:
        """Record that no page follows; with a reason, the sweep ends as incomplete."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(key(sweep_id), "reason", reason)
            pipe.hset(key(sweep_id), "walked", "1")
            self._write(pipe)

    # Batches

    def is_pending(self, sweep_id: str, batch_id: str) -> bool:
        """Whether a batch has no result yet."""
        return bool(self._redis.hexists(key(sweep_id, "batches"), batch_id))

    def pending_batches(self, sweep_id: str) -> dict[str, list[str]]:
        """Return the batches without a result, each with its sessions."""
        found: dict[bytes, bytes] = self._redis.hgetall(key(sweep_id, "batches"))
        return {batch_id.decode(): json.loads(ids) for batch_id, ids in found.items()}

    def is_stored(self, sweep_id: str, batch_id: str, session_id: str) -> bool:
        """Whether an earlier attempt of the batch stored the session in the vault."""
        return bool(self._redis.sismember(key(sweep_id, "stored", batch_id), session_id))

    def remember_stored(self, sweep_id: str, batch_id: str, ids: Iterable[str]) -> None:
        """Remember which sessions are in the vault, before the Registry calls them archived."""
        self._remember(key(sweep_id, "stored", batch_id), ids)

    def marked(self, sweep_id: str, batch_id: str) -> set[str]:
        """Return the sessions that earlier attempts of the batch archived and set to `archived` in the Registry."""
        found: set[bytes] = self._redis.smembers(key(sweep_id, "marked", batch_id))
        return {session_id.decode() for session_id in found}

    def remember_marked(self, sweep_id: str, batch_id: str, ids: Iterable[str]) -> None:
        """Remember which sessions are archived and set to `archived` in the Registry."""
        self._remember(key(sweep_id, "marked", batch_id), ids)

    def finish_batch(
        self, sweep_id: str, batch_id: str, ids: Sequence[str], result: BatchResult, most: int = 1
    ) -> bool:
        """Count a batch of these sessions, once; True if the walk waited for it and must be resumed."""
        left = result.failed | result.skipped
        reasons = [part for pair in (*result.failed.items(), *result.skipped.items()) for part in pair]
        archived = [session_id for session_id in ids if session_id not in left]
        scratch = [key(sweep_id, part, batch_id) for part in ("stored", "marked")]
        counts = [len(result.failed), len(result.skipped), result.archived]
        return self._run(
            "finish_batch",
            [*keys(sweep_id, "", "batches", "over", "failed", "skipped"), *scratch],
            [batch_id, most, MOST_REASONS, *counts, *reasons, *archived],
        )

    # The end

    def close_if_done(self, sweep_id: str) -> bool:
        """End the sweep if its walk is over and every batch has a result; True if this call ended it."""
        sweep = self.find(sweep_id)
        if sweep is None or not self._runs(sweep) or not sweep.walked or self._redis.hlen(key(sweep_id, "batches")):
            return False
        self.close(sweep_id, sweep.reason)
        return True

    def close(self, sweep_id: str, reason: str = "") -> None:
        """End the sweep: `completed`, or `incomplete` with a reason."""
        status = Status.INCOMPLETE if reason else Status.COMPLETED
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(key(sweep_id), "finished_at", format_timestamp(now()))
            pipe.hset(key(sweep_id), mapping={"status": str(status), "reason": reason})
            pipe.unlink(*keys(sweep_id, *SCRATCH))
            for kept in keys(sweep_id, *KEPT):
                pipe.expire(kept, KEPT_SECS)
            self._write(pipe)
        self.lock.release(sweep_id)

    def count_resume(self, sweep_id: str) -> int:
        """Count that a stalled sweep is resumed; any progress sets the count back to zero."""
        return count_in_hash(self._redis, key(sweep_id), "resumes")

    # Reading

    def get(self, sweep_id: str) -> Sweep:
        """Return one sweep.

        Raises: KeyError if there is none.
        """
        sweep = self.find(sweep_id)
        if sweep is None:
            raise KeyError(sweep_id)
        return sweep

    def find(self, sweep_id: str) -> Sweep | None:
        """Return one sweep; None if there is none, as after a failover that lost it, in the middle of a task, too."""
        return Sweep.found(sweep_id, self._redis.hgetall(key(sweep_id)))

    def newest(self, limit: int = 20) -> Iterator[Sweep]:
        """Yield sweeps, newest first; those older than 90 days are gone. It only reads, as some users of Redis may."""
        oldest = now().timestamp() - KEPT_SECS
        found: Any = self._redis.zrevrangebyscore(INDEX, "+inf", oldest, start=0, num=limit)
        for sweep_id in cast("list[bytes]", found):
            if sweep := self.find(sweep_id.decode()):
                yield sweep

    def unfinished(self) -> Sweep | None:
        """Return the newest sweep that has not ended."""
        return next((sweep for sweep in self.newest() if self._runs(sweep)), None)

    def stats(self, sweep_id: str) -> ArchivalStats:
        """Return the counts of a sweep so far."""
        sweep = self.get(sweep_id)
        duration = (sweep.finished_at or now()) - sweep.started_at
        return ArchivalStats(sum(sweep.counts), *sweep.counts, round(duration.total_seconds() * 1000))

    def failures(self, sweep_id: str) -> dict[str, str]:
        """Return why sessions could not be archived: the reasons of the first 1,000."""
        return self._reasons(sweep_id, "failed")

    def skipped(self, sweep_id: str) -> dict[str, str]:
        """Return why sessions needed no archiving: the reasons of the first 1,000."""
        return self._reasons(sweep_id, "skipped")

    @staticmethod
    def _runs(sweep: Sweep | None) -> bool:
        return sweep is not None and sweep.status is Status.RUNNING

    def _reasons(self, sweep_id: str, kind: str) -> dict[str, str]:
        found: dict[bytes, bytes] = self._redis.hgetall(key(sweep_id, kind))
        return {session_id.decode(): why.decode() for session_id, why in found.items()}

    def _remember(self, name: str, ids: Iterable[str]) -> None:
        if wanted := list(ids):
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.sadd(name, *wanted)
                pipe.expire(name, KEPT_SECS)
                self._write(pipe)

    def _write(self, pipe: Any) -> list[Any]:
        """Execute a pipeline and wait for the replicas; they are waited for also if an earlier attempt wrote the same.

        Redis counts them for what a connection wrote, so this writes in any case.
        """
        if self._min_replicas:
            pipe.set(WRITTEN, format_timestamp(now()))
        return write(pipe, self._min_replicas)

    def _run(self, script: str, names: Sequence[str], values: Sequence[str | int]) -> bool:
        """Run a script, which Redis does in one step, whatever other workers do to the sweep."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.eval(_text_of(script), len(names), *names, *values)
            return bool(self._write(pipe)[0])


def sweeps() -> Sweeps:
    """Return the state of sweeps in this process's Redis."""
    return Sweeps(connections.redis(), broker.min_replicas)


def _count(values: dict[str, str], name: str) -> int:
    return number_of(values.get(name, "0").encode())


@cache
def _text_of(script: str) -> str:
    return files(__package__ or "").joinpath("scripts", f"{script}.lua").read_text()
