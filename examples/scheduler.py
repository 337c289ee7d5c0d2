"""The archival scheduler: start it, watch a sweep, and stop it.

There is no scheduler object: beat sends the sweep, workers run it, and its state is in Redis. Any process
may start or stop sweeps, and may then exit. It needs a broker and a running worker.

Run: REDIS_URL=… python -m memory_graph_workers.examples.scheduler
"""

import time

from ..clients.config import SchedulerConfig
from ..schemas.archival import Trigger
from ..tasks.archival import sweep, sweeps
from ..tasks.archival.state import Status

TIMEOUT_SECS = 60.0


def main() -> None:
    """Allow sweeps, run one now and print its counts, then pause sweeps for a moment."""
    print_plan(SchedulerConfig.from_env())
    was_paused = sweeps().paused()
    start()
    try:
        print_outcome(follow(send_sweep()))
        stop()
        print(f"A sweep sent now: {sweep.delay(Trigger.MANUAL).get(timeout=TIMEOUT_SECS)['status']}")
    finally:
        if not was_paused:
            start()


def print_plan(config: SchedulerConfig) -> None:
    """Print the settings, which beat and the workers read from the environment when they start."""
    when = f"at {config.crontab} UTC" if config.crontab else f"every {config.interval_hours:g} hours"
    print(f"Sweeps: {when if config.enabled else 'only when you send one'}")
    print(f"Archived: sessions that ended {config.archive_after_days:g} days ago, {config.batch_size} per batch")
    print(f"Kept: {config.retention_days} days ({config.default_compliance_level})")


def start() -> None:
    """Allow sweeps to start, whether sent by beat or by hand."""
    sweeps().resume()
    print("Sweeps may start")


def stop() -> None:
    """Stop sweeps from starting; a running one ends after its batches in flight."""
    sweeps().pause()
    print("Sweeps are paused")


def send_sweep() -> str:
    """Send the task that beat sends, and return the id of the running sweep."""
    sent = sweep.delay(Trigger.MANUAL)
    result = sent.get(timeout=TIMEOUT_SECS)
    sweep_id = result.get("sweep_id", sent.id)
    print(f"Sweep {sweep_id}: {result['status']}")
    return sweep_id


def follow(sweep_id: str) -> str:
    """Wait until a sweep ends, and return its id."""
    state, deadline = sweeps(), time.monotonic() + TIMEOUT_SECS
    while state.get(sweep_id).status is Status.RUNNING:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Still running after {TIMEOUT_SECS:.0f} s. See: mgw sweeps show {sweep_id}")
        time.sleep(0.2)
    return sweep_id


def print_outcome(sweep_id: str) -> None:
    """Print a sweep's counts, and the reason for each session that it did not archive."""
    state = sweeps()
    stats, ended = state.stats(sweep_id), state.get(sweep_id)
    print(f"Sweep {sweep_id}: {ended.status} {ended.reason}".rstrip())
    print(f"Archived {stats.archived_count}, failed {stats.failed_count}, skipped {stats.skipped_count}")
    print(f"Success rate: {stats.success_rate():.1f} % in {stats.duration_ms} ms")
    for session_id, reason in state.failures(sweep_id).items():
        print(f"  {session_id}: {reason}")


if __name__ == "__main__":
    main()
