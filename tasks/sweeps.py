"""The state of the archival sweeps, all of it in Redis: any worker can take up where another stopped.

A sweep's page stores its ids before it sends anything, a batch writes its result once, and the counts are
the sum of results: whatever is delivered twice counts once.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from redis import Redis

from ..clients.paging import Cursor
from ..schemas.archival import ArchivalStats, BatchResult, Trigger
from ..schemas.fields import format_timestamp, now, parse_timestamp

LEASE_SECS = 600
KEPT_SECS = 90 * 86_400
MAX_PASSES = 3
MAX_RESUMES = 3
_PREFIX = "memory_graph:sweep"
_LEASE, _INDEX, _PAUSED = f"{_PREFIX}:lease", f"{_PREFIX}:index", f"{_PREFIX}:paused"
_RESUMES = "resumes"
_SCRATCH = ("pages", "seen", "batches")


class Status(StrEnum):
    """Where a sweep stands; `incomplete` comes with a reason."""

    RUNNING = "running"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Page:
    """What one page task does: the due sessions it found, and where the walk goes on (None: the pass is over)."""

    ids: list[str]
    following: Cursor | None
    listed: int


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
    last_page: str = ""

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

    def page(self, sweep_id: str, pass_number: int, index: int) -> Page | None:
        """What a page found when it ran first."""
        text = self._redis.hget(_key(sweep_id, "pages"), f"{pass_number}:{index}")
        return _page(json.loads(text)) if text else None

    def keep_page(self, sweep_id: str, pass_number: int, index: int, page: Page) -> Page:
        """Write down what a page found; where another run of it was first, that one's findings are given back."""
        name = f"{pass_number}:{index}"
        if self._redis.hsetnx(_key(sweep_id, "pages"), name, json.dumps(asdict(page))):
            self._redis.hset(_key(sweep_id), "last_page", name)  # a late second run must not turn the walk back
            self._redis.hdel(_key(sweep_id), _RESUMES)
        return self.page(sweep_id, pass_number, index) or page

    def found_in_pass(self, sweep_id: str, pass_number: int) -> int:
        """How many sessions a pass found that no page had before."""
        pages: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id, "pages"))
        of_pass = [text for name, text in pages.items() if name.decode().startswith(f"{pass_number}:")]
        return sum(len(json.loads(text)["ids"]) for text in of_pass)

    def unseen(self, sweep_id: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that no page of the sweep has taken yet, each once."""
        if not ids:
            return []
        once = list(dict.fromkeys(ids))
        seen = self._redis.smismember(_key(sweep_id, "seen"), once)
        return [session_id for session_id, there in zip(once, seen, strict=True) if not there]

    def mark_seen(self, sweep_id: str, ids: Sequence[str]) -> None:
        """Keep later pages from taking these sessions again."""
        if ids:
            self._redis.sadd(_key(sweep_id, "seen"), *ids)

    def end_walk(self, sweep_id: str, reason: str = "") -> None:
        """Note that no page follows; with a reason, the sweep will be incomplete."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(_key(sweep_id), "reason", reason)
            pipe.hset(_key(sweep_id), "walked", "1")
            pipe.execute()

    # Batches

    def add_batch(self, sweep_id: str, batch_id: str, ids: Sequence[str]) -> bool:
        """Note a batch before it is sent; False where it is done already."""
        self._redis.hsetnx(_key(sweep_id, "batches"), batch_id, json.dumps(list(ids)))
        if self.result(sweep_id, batch_id) is None:
            return True
        self._redis.hdel(_key(sweep_id, "batches"), batch_id)
        return False

    def pending_batches(self, sweep_id: str) -> dict[str, list[str]]:
        """The batches without a result, and their sessions."""
        found: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id, "batches"))
        return {batch_id.decode(): json.loads(ids) for batch_id, ids in found.items()}

    def is_stored(self, sweep_id: str, batch_id: str, session_id: str) -> bool:
        """Whether an earlier run of the batch put the session into the vault."""
        return bool(self._redis.sismember(_key(sweep_id, "stored", batch_id), session_id))

    def mark_stored(self, sweep_id: str, batch_id: str, ids: Iterable[str]) -> None:
        """Remember which sessions are in the vault, before they are marked in the Registry."""
        if wanted := list(ids):
            self._redis.sadd(_key(sweep_id, "stored", batch_id), *wanted)
            self._redis.expire(_key(sweep_id, "stored", batch_id), KEPT_SECS)

    def marked(self, sweep_id: str, batch_id: str) -> set[str]:
        """The sessions that earlier attempts of the batch archived and marked in the Registry."""
        found: set[bytes] = self._redis.smembers(_key(sweep_id, "marked", batch_id))
        return {session_id.decode() for session_id in found}

    def mark_marked(self, sweep_id: str, batch_id: str, session_id: str) -> None:
        """Remember that a session is archived and marked."""
        self._redis.sadd(_key(sweep_id, "marked", batch_id), session_id)
        self._redis.expire(_key(sweep_id, "marked", batch_id), KEPT_SECS)

    def result(self, sweep_id: str, batch_id: str) -> BatchResult | None:
        """What became of a batch, if it is done."""
        text = self._redis.hget(_key(sweep_id, "results"), batch_id)
        return BatchResult(**json.loads(text)) if text else None

    def finish_batch(self, sweep_id: str, batch_id: str, result: BatchResult) -> None:
        """Write a batch's result, once: a second run changes nothing."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(_key(sweep_id, "results"), batch_id, json.dumps(asdict(result)))
            pipe.hdel(_key(sweep_id, "batches"), batch_id)
            pipe.delete(_key(sweep_id, "stored", batch_id), _key(sweep_id, "marked", batch_id))
            pipe.hdel(_key(sweep_id), _RESUMES)
            pipe.execute()

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
            for part in ("", *_SCRATCH, "results"):
                pipe.expire(_key(sweep_id, part), KEPT_SECS if part in ("", "results") else 3600)
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
            last_page=values.get("last_page", ""),
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

    def results(self, sweep_id: str) -> list[BatchResult]:
        """The results of all batches that are done."""
        found: dict[bytes, bytes] = self._redis.hgetall(_key(sweep_id, "results"))
        return [BatchResult(**json.loads(text)) for text in found.values()]

    def stats(self, sweep_id: str) -> ArchivalStats:
        """The counts of a sweep so far."""
        sweep, results = self.get(sweep_id), self.results(sweep_id)
        archived = sum(result.archived for result in results)
        failed = sum(len(result.failed) for result in results)
        skipped = sum(len(result.skipped) for result in results)
        duration = (sweep.finished_at or now()) - sweep.started_at
        total = archived + failed + skipped
        return ArchivalStats(total, archived, failed, skipped, round(duration.total_seconds() * 1000))

    def failures(self, sweep_id: str) -> dict[str, str]:
        """Why each session that could not be archived was not."""
        return {session: why for result in self.results(sweep_id) for session, why in result.failed.items()}

    def skipped(self, sweep_id: str) -> dict[str, str]:
        """Why each session that needed no archiving was passed over."""
        return {session: why for result in self.results(sweep_id) for session, why in result.skipped.items()}

    def _drop_lease(self, sweep_id: str) -> None:
        if self.lease_holder() == sweep_id:
            self._redis.delete(_LEASE)


def _key(sweep_id: str, *parts: str) -> str:
    return ":".join([_PREFIX, sweep_id, *(part for part in parts if part)])


def _page(values: dict[str, Any]) -> Page:
    following = values["following"]
    return Page(values["ids"], Cursor(**following) if following else None, values["listed"])
