"""The two faults, step by step: each is a generator that yields whenever it waits, so that contenders run side by side.

The steps of all contenders are made by one thread, because the kernel ties a process to the thread that started it.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from comparison.running import Running
from comparison.service import Counts

Step = Generator[None, None, "Outcome"]
Wait = Generator[None, None, bool]
START_SECS, ASK_SECS = 120.0, 10.0
TOGETHER = 2  # how many jobs each takes at a time
WARM = ("warm-1", "warm-2")


@dataclass(frozen=True)
class Plan:
    """How large the faults are, and how long everybody is watched."""

    killed_jobs: int = 10
    job_secs: float = 3.0
    kill_after_secs: float = 1.0  # after two jobs were begun
    waiting_jobs: int = 200
    away_secs: float = 60.0
    watch_secs: float = 120.0
    nudge_secs: float = 30.0  # how long after one more job was sent
    still_secs: float = 30.0  # and after all was done, so that what is done twice shows


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs of one contender.

    `all_done_secs` is from the fault's end until the last job was done; None if some were not within the time.
    """

    sent: int
    done: int
    failed: int
    twice: int
    refused: int
    most_refused: int
    repeated: int  # jobs whose call was begun more than once
    repeated_secs: float | None  # from the fault until the last of these was begun again
    all_done_secs: float | None
    nudged: bool  # they were done only after one more job had been sent

    @property
    def lost(self) -> int:
        """Neither done nor known to have failed."""
        return self.sent - self.done - self.failed


def judged(jobs: Sequence[str], counts: Counts, failed: Sequence[str], since: float, nudged: bool) -> Outcome:
    """Count what became of these jobs; what failed and was done all the same counts as done."""
    done = counts.done(jobs)
    refused = [counts.refused[job] for job in jobs]
    again_at = [counts.again_at[job] for job in jobs if job in counts.again_at]
    return Outcome(
        sent=len(jobs),
        done=done,
        failed=sum(job not in counts.carried_out for job in failed),
        twice=sum(counts.carried_out[job] > 1 for job in jobs),
        refused=sum(refused),
        most_refused=max(refused),
        repeated=len(again_at),
        repeated_secs=round(max(again_at) - since, 1) if again_at else None,
        all_done_secs=round(max(counts.done_at[job] for job in jobs) - since, 1) if done == len(jobs) else None,
        nudged=nudged,
    )


def worker_killed(running: Running, plan: Plan) -> Step:
    """Kill a worker in the middle of its jobs, and start another at once.

    The jobs that it has begun last for ever, so that on a busy machine, too, none ends before the worker does.
    """
    jobs = named("job", plan.killed_jobs)
    yield from warmed_up(running)
    counts = running.service.counts
    running.service.takes_secs = math.inf
    yield from running.send(jobs)
    if not (yield from wait(lambda: sum(job in counts.begun for job in jobs) >= TOGETHER, START_SECS)):
        raise running.late(f"did not begin {TOGETHER} jobs")
    yield from wait(lambda: False, plan.kill_after_secs)
    os.killpg(running.worker.process.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    running.worker.process.wait()
    running.service.takes_secs = plan.job_secs
    running.start_worker()
    return (yield from watched(running, jobs, killed_at, plan, may_nudge=True))


def service_away(running: Running, plan: Plan) -> Step:
    """Take the service away, send jobs, and bring it back."""
    jobs = named("job", plan.waiting_jobs)
    yield from warmed_up(running)
    running.service.away = True
    gone_at = time.monotonic()
    yield from running.send(jobs)
    yield from wait(lambda: False, gone_at + plan.away_secs - time.monotonic())
    running.service.away = False
    return (yield from watched(running, jobs, time.monotonic(), plan, may_nudge=False))


FAULTS: dict[str, Callable[[Running, Plan], Step]] = {"killed": worker_killed, "away": service_away}


def warmed_up(running: Running) -> Generator[None]:
    """Let a worker do two jobs, so that the fault finds it at work."""
    running.start_worker()
    yield from running.send(WARM)
    if not (yield from wait(lambda: running.service.counts.done(WARM) == len(WARM), START_SECS)):
        raise running.late("did no job at all")


def watched(running: Running, jobs: Sequence[str], since: float, plan: Plan, *, may_nudge: bool) -> Step:
    """Wait until every job is done or given up, or the time is over."""
    failed = yield from ended(running, jobs, plan.watch_secs)
    nudged = may_nudge and running.service.counts.done(jobs) + len(failed) < len(jobs)
    if nudged:
        yield from running.send(["nudge"])
        failed = yield from ended(running, jobs, plan.nudge_secs)
    yield from wait(lambda: False, plan.still_secs)
    return judged(jobs, running.service.counts, failed, since, nudged)


def ended(running: Running, jobs: Sequence[str], secs: float) -> Generator[None, None, Sequence[str]]:
    """Wait until every job is done or given up, for so long at most; gives those that were given up."""
    end, counts = time.monotonic() + secs, running.service.counts
    while True:
        left = end - time.monotonic()
        if (yield from wait(lambda: counts.done(jobs) == len(jobs), min(ASK_SECS, left))):
            return []
        failed = yield from running.failed(jobs)
        if len({*failed, *counts.carried_out}.intersection(jobs)) == len(jobs) or left <= ASK_SECS:
            return failed


def wait(is_so: Callable[[], bool], secs: float) -> Wait:
    """Yield until it is so, for so long at most; gives whether it is."""
    end = time.monotonic() + secs
    while not is_so():
        if time.monotonic() >= end:
            return False
        yield
    return True


def named(prefix: str, many: int) -> list[str]:
    """So many jobs."""
    return [f"{prefix}-{number}" for number in range(many)]
