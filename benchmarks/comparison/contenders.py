"""Who is compared: what each runs with, and the settings that its users choose if no job may be lost."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
APPS = HERE / "apps"
ENVIRONMENTS = HERE.parent.parent / "build" / "compare"
OWN = Path(sys.executable)


@dataclass(frozen=True)
class Contender:
    """One system: its programs (modules of its environment), and what the page says of it."""

    name: str
    app: str  # in apps/: sends jobs, and says which were given up
    python: Path
    packages: Sequence[str]  # whose versions the page shows
    settings: str
    worker: Sequence[str]
    beside: Sequence[str] = ()  # a program that always runs beside the workers, and is not killed
    prepare: Sequence[str] = ()  # run once, before all else
    environ: Mapping[str, str] = field(default_factory=dict[str, str])


def environment(name: str) -> Path:
    """The interpreter of an environment of `make compare`."""
    return ENVIRONMENTS / name / "bin" / "python"


CELERY = ("worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO")
OURS = ("celery", "-A", "memory_graph_workers.tasks.app", *CELERY)
TWO_AT_A_TIME = ("--workers", "2", "--max-async-tasks", "1")
KEYS = "`REGISTRY_HONOURS_IDEMPOTENCY=true`"

CONTENDERS = [
    Contender(
        "this package",
        "on_ours",
        OWN,
        ("celery", "kombu", "redis"),
        f"{KEYS}; else as installed: `VISIBILITY_TIMEOUT_SECS=60`, `TASK_MAX_ATTEMPTS=8`",
        OURS,
    ),
    Contender(
        "this package, short lease",
        "on_ours",
        OWN,
        ("celery", "kombu", "redis"),
        f"{KEYS}, `VISIBILITY_TIMEOUT_SECS=5`",
        OURS,
        environ={"VISIBILITY_TIMEOUT_SECS": "5"},
    ),
    Contender(
        "plain Celery",
        "on_celery",
        environment("celery"),
        ("celery", "kombu", "redis"),
        "`task_acks_late`, `task_reject_on_worker_lost`, `worker_prefetch_multiplier=1`, `visibility_timeout` 60, "
        "`autoretry_for`, `retry_backoff`, `retry_jitter`, `max_retries=7`",
        ("celery", "-A", "on_celery", *CELERY),
    ),
    Contender(
        "taskiq",
        "on_taskiq",
        environment("taskiq"),
        ("taskiq", "taskiq-redis", "redis"),
        "`RedisStreamBroker(idle_timeout=60_000, unacknowledged_lock_timeout=30, xread_count=1)`, "
        "`SmartRetryMiddleware` (8 attempts, 5 s more each time, jitter) with `ListRedisScheduleSource`, a scheduler "
        "with `--update-interval 1`, workers with `--workers 2 --max-async-tasks 1 --ack-type when_saved`",
        ("taskiq", "worker", "on_taskiq:broker", *TWO_AT_A_TIME, "--ack-type", "when_saved"),
        beside=("taskiq", "scheduler", "on_taskiq:scheduler", "--update-interval", "1"),
    ),
    Contender(
        "Procrastinate",
        "on_procrastinate",
        environment("procrastinate"),
        ("procrastinate", "psycopg"),
        "`RetryStrategy(max_attempts=7, exponential_wait=2)` (8 attempts in all), a periodic `retry_stalled_jobs` "
        "each minute, `worker --concurrency 2`",
        ("procrastinate", "--app", "on_procrastinate.app", "worker", "--concurrency", "2"),
        prepare=("procrastinate", "--app", "on_procrastinate.app", "schema", "--apply"),
    ),
]
