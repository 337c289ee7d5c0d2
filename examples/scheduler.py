"""The archival scheduler: what starts it, what it does, what stops it.

There is no scheduler object to hold: beat sends the sweep, workers run it, its state is in Redis. The
process that starts or stops it may be any, and may end. Needs a broker and a running worker.

Run: REDIS_URL=… python -m memory_graph_workers.examples.scheduler
"""

import time

from ..clients.config import SchedulerConfig
from ..schemas.archival import Trigger
from ..tasks.archival import sweep, sweeps
from ..tasks.archival.state import Status

PATIENCE_SECS = 60.0


def main() -> None:
    """Let sweeps run, run one now and tell its counts, then stop sweeps for a moment."""
    tell_plan(SchedulerConfig.from_env())
    was_paused = sweeps().paused()
    start()
    try:
        tell_outcome(follow(send_sweep()))
        stop()
        print(f"A sweep sent now: {sweep.delay(Trigger.MANUAL).get(timeout=PATIENCE_SECS)['status']}")
    finally:
        if not was_paused:
            start()


def tell_plan(config: SchedulerConfig) -> None:
    """Print what beat and the workers were told; the environment is read when they start."""
    when = f"at {config.crontab} UTC" if config.crontab else f"every {config.interval_hours:g} hours"
    print(f"Sweeps: {when if config.enabled else 'only when sent by hand'}")
    print(f"Archived: sessions that ended {config.archive_after_days:g} days ago, {config.batch_size} a batch")
    print(f"Kept: {config.retention_days} days ({config.default_compliance_level})")


def start() -> None:
    """Let sweeps start, from beat or by hand."""
    sweeps().resume()
    print("Sweeps may start")


def stop() -> None:
    """Start no sweep any more; one under way stops after the batches in hand."""
    sweeps().pause()
    print("Sweeps are paused")


def send_sweep() -> str:
    """Send what beat sends, and return the id of the sweep that runs."""
    answer = sweep.delay(Trigger.MANUAL).get(timeout=PATIENCE_SECS)
    print(f"Sweep {answer['sweep_id']}: {answer['status']}")
    return answer["sweep_id"]


def follow(sweep_id: str) -> str:
    """Wait for the end of a sweep."""
    state, deadline = sweeps(), time.monotonic() + PATIENCE_SECS
    while state.get(sweep_id).status is Status.RUNNING:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Sweep {sweep_id} still runs after {PATIENCE_SECS:.0f} s.")
        time.sleep(0.2)
    return sweep_id


def tell_outcome(sweep_id: str) -> None:
    """Print a sweep's counts, and why each session that it left was left."""
    state = sweeps()
    stats, ended = state.stats(sweep_id), state.get(sweep_id)
    print(f"Sweep {sweep_id}: {ended.status} {ended.reason}".rstrip())
    print(f"Archived {stats.archived_count}, failed {stats.failed_count}, skipped {stats.skipped_count}")
    print(f"Success rate: {stats.success_rate():.1f} % in {stats.duration_ms} ms")
    for session_id, reason in state.failures(sweep_id).items():
        print(f"  {session_id}: {reason}")


if __name__ == "__main__":
    main()
