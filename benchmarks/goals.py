"""What is to be reached: one table, which no run changes. A ratio is of rounds of one run."""

from collections.abc import Iterable
from dataclasses import dataclass

from results import Figure


@dataclass(frozen=True)
class Goal:
    """One bound: `sense` is ≥ or ≤."""

    key: str
    part: str
    what: str
    sense: str
    bound: float
    against: str

    @property
    def text(self) -> str:
        """The bound as one reads it."""
        return f"{self.sense} {self.bound:.2f} {self.against}".strip()

    def is_met(self, value: float) -> bool:
        """Whether a figure keeps the bound."""
        return value >= self.bound if self.sense == "≥" else value <= self.bound


_DRAIN = "usage reports drained, batches of 100"
_ONE = "one operation a task, everything on"
_SWEEP = "archiving, sessions a second"
_WHOLE = "the whole system, reports a second in batches"
_HAND = "times a bare WSGI function with SQL by hand"
_WHOLE_SWEEP = "archiving through the real services, sessions a second"
_WHOLE_CPU = "the whole system, CPU s a thousand reports, all parts"
GOALS = [
    Goal("drain-acknowledging", "drain", _DRAIN, "≥", 1.5, "times the best peer that acknowledges its work"),
    Goal("drain-all", "drain", _DRAIN, "≥", 1.2, "times the best of all peers"),
    Goal("drain-bare", "drain", _DRAIN, "≥", 3.0, "times bare Celery"),
    Goal("drain-limit", "drain", _DRAIN, "≥", 0.9, "times the limit script on our own client, 2 processes"),
    Goal("enqueue-one", "enqueue", "enqueuing one validated report", "≤", 0.85, "times bare `.delay()`"),
    Goal("enqueue-reporter", "enqueue", "a report through `UsageReporter`", "≤", 0.10, "times bare `.delay()`"),
    Goal(
        "enqueue-reporter-cpu", "enqueue", "a report through `UsageReporter`, CPU", "≤", 0.06, "times bare `.delay()`"
    ),
    Goal(
        "enqueue-reporter-dramatiq", "enqueue", "a report through `UsageReporter`", "≤", 0.30, "times dramatiq's send"
    ),
    Goal("enqueue-bulk", "enqueue", "an operation through `enqueue_many`", "≤", 0.30, "times bare `.delay()`"),
    Goal("one-a-task", "drain", _ONE, "≥", 1.0, "times bare Celery on the same pool"),
    Goal("breaker-concurrency", "calls", "concurrency left by the breaker, 16 threads", "≥", 0.95, "of none"),
    Goal("breaker-probes", "calls", "probes in half-open", "≤", 1.0, "probe"),
    Goal("call-cpu", "calls", "our client's call", "≤", 0.70, "times the CPU of a kept `requests.Session().post`"),
    Goal("events", "events", "worker events on, for the batch path", "≥", 0.95, "times the rate without"),
    Goal("archiving-plain", "archiving", _SWEEP, "≥", 5.0, "times one plain Celery task a session"),
    Goal("archiving-limit", "archiving", _SWEEP, "≥", 0.60, "times the limit script, 2 processes"),
    Goal("walk-memory", "walk", "worker memory, sweep of 1 M listed", "≤", 1.10, "times that of 10 k"),
    Goal("walk-exponent", "walk", "time of the walk against the number listed", "≤", 1.05, "as exponent"),
    Goal(
        "walk-filtered",
        "walk",
        "time of a sweep with filters honoured against the due ones",
        "≤",
        1.05,
        "as exponent",
    ),
    Goal("walk-redis", "walk", "Redis memory during the sweep of 1 M", "≤", 1.5, "times that of 300 k"),
    Goal(
        "startup-import", "startup", "`import memory_graph_workers.tasks`", "≤", 1.3, "times celery, redis and requests"
    ),
    Goal("startup-modules", "startup", "modules of Flower, gRPC, SQLAlchemy, services imported", "≤", 0, "modules"),
    Goal("startup-first-task", "startup", "a worker takes its first task", "≤", 3.0, "s after its start"),
    Goal("fleet-one", "fleet", "one idle worker, commands a second", "≤", 10.0, ""),
    Goal("fleet-processor", "fleet", "idle workers, processor time of Redis", "≤", 5.0, "% of a core"),
    Goal("fleet-steady", "fleet", "idle workers, processor time of Redis", "≤", 2.0, "times that of ten"),
    Goal("fleet-replayed", "fleet", "replayed workers cost what real ones do", "≤", 1.15, "times more or less"),
    Goal("fleet-first", "fleet", "first message after a quiet time, median", "≤", 100.0, "ms"),
    Goal("fleet-first-most", "fleet", "first message after a quiet time, 99 %", "≤", 1000.0, "ms"),
    Goal("fleet-burst", "fleet", "50,000 messages, until 90 % of the workers have one", "≤", 2.0, "s"),
    Goal("fleet-tries", "fleet", "Redis was away, tries in the busiest second", "≤", 500.0, ""),
    Goal("fleet-pause", "fleet", "Redis was away, longest pause between two tries", "≤", 2.0, "s"),
    Goal("whole-bare", "whole", _WHOLE, "≥", 12.0, "times bare Celery, one POST a task to the same Registry"),
    Goal("whole-taskiq", "whole", _WHOLE, "≥", 8.0, "times taskiq's stream, one POST a task to the same Registry"),
    Goal("whole-taskiq-batch", "whole", _WHOLE, "≥", 1.1, "times taskiq's stream, 100 a task to the same batch route"),
    Goal("whole-cpu", "whole", _WHOLE_CPU, "≤", 0.25, "s"),
    Goal("whole-cpu-limit", "whole", _WHOLE_CPU, "≤", 3.0, "times the script without queue and HTTP"),
    Goal("single-usage", "whole", "a single `POST /usage`, CPU", "≤", 2.0, _HAND),
    Goal("reading-usage", "whole", "a `GET /sessions/{id}/usage`, CPU", "≤", 2.0, _HAND),
    Goal("whole-archiving-plain", "whole", _WHOLE_SWEEP, "≥", 5.0, "times one plain Celery task a session"),
    Goal("whole-archiving-limit", "whole", _WHOLE_SWEEP, "≥", 0.60, "times the script with the same batch calls"),
    Goal("whole-archiving-exact", "whole", "sessions not archived, or twice, counted in the vault", "≤", 0, "sessions"),
    Goal("whole-exact", "whole", "reports lost or duplicated, counted in the database", "≤", 0, "reports"),
]


@dataclass(frozen=True)
class Judged:
    """A goal at one setting, and what became of it; without a figure it was not measured."""

    goal: Goal
    figure: Figure | None

    @property
    def verdict(self) -> str:
        """`met`, `missed` or `not measured`."""
        if self.figure is None:
            return "not measured"
        return "met" if self.goal.is_met(self.figure.value) else "missed"


def judged(figures: Iterable[Figure]) -> list[Judged]:
    """Every goal in its order, once a setting at which it was measured."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.goal, []).append(figure)
    return [Judged(goal, figure) for goal in GOALS for figure in found.get(goal.key) or [None]]
