"""The state of the archival sweeps, all of it in Redis: any worker can take up where another stopped.

A page notes its batches before it sends anything, and a batch counts while it is pending: whatever is delivered
twice counts once. What is kept of a sweep under way is its last page, its pending batches, the sessions in these,
and those that were left; what is archived is only counted.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from redis import Redis

from ...schemas.archival import ArchivalStats, BatchResult, Trigger
from ...schemas.fields import format_timestamp, now, parse_timestamp
from .page import Page
from .scripts import FINISH_BATCH, KEEP_PAGE, WAIT_FOR_ROOM

LEASE_SECS = 600
KEPT_SECS = 90 * 86_400
MAX_RESUMES = 3
MOST_REASONS = 1000
_PREFIX = "memory_graph:sweep"
_LEASE, _INDEX, _PAUSED = f"{_PREFIX}:lease", f"{_PREFIX}:index", f"{_PREFIX}:paused"
_RESUMES = "resumes"
_SCRATCH = ("page", "taken", "over", "batches")
_KEPT = ("", "failed", "skipped")


class Status(StrEnum):
    """Where a sweep stands; `incomplete` comes with a reason."""

    RUNNING = "running"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Sweep:
    """One sweep as Redis has it."""

    sweep_id: str
    trigger: Trigger
    status: Status
    started_at: datetime
    cutoff: datetime
    finished_at: datetime | None = None
    walked: bool = False
    reason: str = ""
    counts: tuple[int, int, int] = (0, 0, 0)

    @property
    def age_secs(self) -> float:
        """Seconds since it started."""
        return (now() - self.started_at).total_seconds()


class Sweeps:
    """Reads and writes the state of sweeps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    # Starting and stopping

    def begin(self, sweep_id: str, trigger: Trigger, cutoff: datetime) -> bool:
        """Take the lease and write the sweep down; False where another sweep has the lease, or this one is over."""
        if not self.take_lease(sweep_id):
            return False
        first = {
            "trigger": str(trigger),
            "status": str(Status.RUNNING),
            "started_at": format_timestamp(now()),
            "cutoff": format_timestamp(cutoff),
        }
        with self._redis.pipeline(transaction=True) as pipe:
            for name, value in first.items():
                pipe.hsetnx(_key(sweep_id), name, value)
            pipe.zadd(_INDEX, {sweep_id: now().timestamp()}, nx=True)
            pipe.execute()
        if self.get(sweep_id).status is Status.RUNNING:
            return True
        self._drop_lease(sweep_id)
        return False

    def take_lease(self, sweep_id: str) -> bool:
        """Take the lease that lets one sweep run, or renew it; it ends after 10 minutes without progress."""
        taken = self._redis.set(_LEASE, sweep_id, nx=True, ex=LEASE_SECS)
        return bool(taken) or self.renew(sweep_id)

    def renew(self, sweep_id: str) -> bool:
        """Tell that the sweep makes progress; False where it does not have the lease."""
        if self.lease_holder() != sweep_id:
            return False
        self._redis.expire(_LEASE, LEASE_SECS)
        return True

    def progress(self, sweep_id: str) -> Sweep | None:
        """The sweep if it still runs, its lease renewed; whoever works on a sweep asks this first."""
        try:
            if self.get(sweep_id).status is Status.RUNNING and not self.take_lease(sweep_id):
                return None
            found = self.get(sweep_id)
        except KeyError:
            return None
        if found.status is Status.RUNNING:
            return found
        # It ended between the look and the lease, or whoever ended it died before it let go of the lease.
        self._drop_lease(sweep_id)
        return None

    def lease_holder(self) -> str | None:
        """The sweep that has the lease."""
        holder = self._redis.get(_LEASE)
        return holder.decode() if holder else None

    def pause(self) -> None:
        """Start no sweep any more; one under way stops after the batches in hand."""
        self._redis.set(_PAUSED, format_timestamp(now()))

    def resume(self) -> None:
        """Let sweeps start again."""
        self._redis.delete(_PAUSED)

    def paused(self) -> bool:
        """Whether sweeps are paused."""
        return bool(self._redis.exists(_PAUSED))

    # The walk

    def page(self, sweep_id: str) -> Page | None:
        """The last page; of its batches, those that are still pending."""
        text = self._redis.get(_key(sweep_id, "page"))
        if not text:
            return None
        page = Page.read(text)
        found = self._redis.hmget(_key(sweep_id, "batches"), list(page.batches)) if page.batches else []
        pending = {batch_id: json.loads(ids) for batch_id, ids in zip(page.batches, found, strict=True) if ids}
        return replace(page, batches=pending)

    def keep_page(self, sweep_id: str, page: Page) -> bool:
        """Note a page and its batches in one step; False where another run of it, or a later page, was first."""
        batches = [part for name, ids in page.batches.items() for part in (name, json.dumps(ids))]
        position = page.position
        return self._runs(
            KEEP_PAGE,
            [_key(sweep_id), *(_key(sweep_id, part) for part in ("page", "batches", "taken", "over"))],
            [position.pass_number, position.index, page.write(), len(page.batches), *batches, *page.taken],
        )

    def untaken(self, sweep_id: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that no page of the sweep has taken yet, each once."""
        if not ids:
            return []
        once = list(dict.fromkeys(ids))
        taken = self._redis.smismember(_key(sweep_id, "taken"), once)
        return [session_id for session_id, there in zip(once, taken, strict=True) if not there]

    def waits_for_room(self, sweep_id: str, most: int) -> bool:
        """Let the walk wait where `most` batches are pending; the end of a batch then calls it."""
        return self._runs(WAIT_FOR_ROOM, [_key(sweep_id), _key(sweep_id, "batches")], [most])

    def is_called(self, sweep_id: str, most: int) -> bool:
        """Whether the walk waits for room that there is; whoever was to call it may have died."""
        waits = self._redis.hexists(_key(sweep_id), "waits")
        return bool(waits) and self._redis.hlen(_key(sweep_id, "batches")) < most

    def end_walk(self, sweep_id: str, reason: str = "") -> None:
        """Note that no page follows; with a reason, the sweep will be incomplete."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(_key(sweep_id), "reason", reason)
            pipe.hset(_key(sweep_id), "walked", "1")
            pipe.execute()

    # Batches

    def is_pending(self, sweep_id: str, batch_id: str) -> bool:
        """Whether a batch has no result yet."""
        return bool(self._redis.hexists(_key(sweep_id, "batches"), batch_id))

    def pending_batches(self, sweep_id: str) -> dict[str, list[str]]:
        """The batches without a result, and their sessions."""
        found: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id, "batches"))
        return {batch_id.decode(): json.loads(ids) for batch_id, ids in found.items()}

    def is_stored(self, sweep_id: str, batch_id: str, session_id: str) -> bool:
        """Whether an earlier run of the batch put the session into the vault."""
        return bool(self._redis.sismember(_key(sweep_id, "stored", batch_id), session_id))

    def mark_stored(self, sweep_id: str, batch_id: str, ids: Iterable[str]) -> None:
        """Remember which sessions are in the vault, before they are marked in the Registry."""
        self._remember(_key(sweep_id, "stored", batch_id), ids)

    def marked(self, sweep_id: str, batch_id: str) -> set[str]:
        """The sessions that earlier attempts of the batch archived and marked in the Registry."""
        found: set[bytes] = self._redis.smembers(_key(sweep_id, "marked", batch_id))
        return {session_id.decode() for session_id in found}

    def mark_marked(self, sweep_id: str, batch_id: str, ids: Iterable[str]) -> None:
        """Remember which sessions are archived and marked."""
        self._remember(_key(sweep_id, "marked", batch_id), ids)

    def finish_batch(
        self, sweep_id: str, batch_id: str, ids: Sequence[str], result: BatchResult, most: int = 1
    ) -> bool:
        """Count a batch of these sessions, once; True where the walk waited for this and must be called."""
        left = result.failed | result.skipped
        reasons = [part for pair in (*result.failed.items(), *result.skipped.items()) for part in pair]
        archived = [session_id for session_id in ids if session_id not in left]
        scratch = [_key(sweep_id, part, batch_id) for part in ("stored", "marked")]
        return self._runs(
            FINISH_BATCH,
            [_key(sweep_id), *(_key(sweep_id, part) for part in ("batches", "over", "failed", "skipped")), *scratch],
            [
                batch_id,
                most,
                MOST_REASONS,
                *map(len, (result.failed, result.skipped)),
                result.archived,
                *reasons,
                *archived,
            ],
        )

    # The end

    def close_if_done(self, sweep_id: str) -> bool:
        """End the sweep if its walk is over and every batch has its result."""
        sweep = self.get(sweep_id)
        if sweep.status is not Status.RUNNING or not sweep.walked or self._redis.hlen(_key(sweep_id, "batches")):
            return False
        self.close(sweep_id, sweep.reason)
        return True

    def close(self, sweep_id: str, reason: str = "") -> None:
        """End the sweep: `completed`, or `incomplete` with a reason."""
        status = Status.INCOMPLETE if reason else Status.COMPLETED
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(_key(sweep_id), "finished_at", format_timestamp(now()))
            pipe.hset(_key(sweep_id), mapping={"status": str(status), "reason": reason})
            pipe.unlink(*(_key(sweep_id, part) for part in _SCRATCH))
            for part in _KEPT:
                pipe.expire(_key(sweep_id, part), KEPT_SECS)
            pipe.execute()
        self._drop_lease(sweep_id)

    def count_resume(self, sweep_id: str) -> int:
        """Count that a stalled sweep was taken up again; whatever gets done starts the count anew."""
        return int(self._redis.hincrby(_key(sweep_id), _RESUMES, 1))

    # Reading

    def get(self, sweep_id: str) -> Sweep:
        """One sweep.

        Raises: KeyError where there is none.
        """
        found: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id))
        values = {name.decode(): value.decode() for name, value in found.items()}
        if "started_at" not in values:
            raise KeyError(sweep_id)
        finished = values.get("finished_at")
        return Sweep(
            sweep_id,
            Trigger(values["trigger"]),
            Status(values["status"]),
            parse_timestamp(values["started_at"]),
            parse_timestamp(values["cutoff"]),
            parse_timestamp(finished) if finished else None,
            walked="walked" in values,
            reason=values.get("reason", ""),
            counts=(int(values.get("archived", 0)), int(values.get("failed", 0)), int(values.get("skipped", 0))),
        )

    def newest(self, limit: int = 20) -> Iterator[Sweep]:
        """Sweeps, newest first; those older than 90 days are forgotten."""
        self._redis.zremrangebyscore(_INDEX, 0, now().timestamp() - KEPT_SECS)
        for sweep_id in cast("list[bytes]", self._redis.zrevrange(_INDEX, 0, limit - 1)):
            try:
                yield self.get(sweep_id.decode())
            except KeyError:
                continue

    def unfinished(self) -> Sweep | None:
        """The newest sweep that has not ended."""
        return next((sweep for sweep in self.newest() if sweep.status is Status.RUNNING), None)

    def stats(self, sweep_id: str) -> ArchivalStats:
        """The counts of a sweep so far."""
        sweep = self.get(sweep_id)
        duration = (sweep.finished_at or now()) - sweep.started_at
        return ArchivalStats(sum(sweep.counts), *sweep.counts, round(duration.total_seconds() * 1000))

    def failures(self, sweep_id: str) -> dict[str, str]:
        """Why sessions could not be archived: the first 1,000 of them."""
        return self._reasons(sweep_id, "failed")

    def skipped(self, sweep_id: str) -> dict[str, str]:
        """Why sessions that needed no archiving were passed over: the first 1,000 of them."""
        return self._reasons(sweep_id, "skipped")

    def _reasons(self, sweep_id: str, kind: str) -> dict[str, str]:
        found: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id, kind))
        return {session_id.decode(): why.decode() for session_id, why in found.items()}

    def _remember(self, key: str, ids: Iterable[str]) -> None:
        if wanted := list(ids):
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.sadd(key, *wanted)
                pipe.expire(key, KEPT_SECS)
                pipe.execute()

    def _runs(self, script: str, keys: Sequence[str], values: Sequence[str | int]) -> bool:
        return bool(self._redis.register_script(script)(keys=keys, args=values))

    def _drop_lease(self, sweep_id: str) -> None:
        if self.lease_holder() == sweep_id:
            self._redis.delete(_LEASE)


def _key(sweep_id: str, *parts: str) -> str:
    return ":".join([_PREFIX, sweep_id, *(part for part in parts if part)])
