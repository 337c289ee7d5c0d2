"""What a producer pays for one report, by each road."""

from results import Figure, Outcome, Table, spread
from rig import Rig

ROADS = {  # road of sending.py: what it is, how many, what it lacks
    "bare": ("bare Celery `.delay`", 1500, "no validation, no idempotency key"),
    "ours": ("ours, `track_usage.delay`", 1500, ""),
    "reporter": ("ours, `UsageReporter`", 10_000, "what a killed producer had buffered is lost"),
    "bulk": ("ours, `enqueue_many`", 3000, ""),
    "dramatiq": ("dramatiq `send`", 3000, "no validation, no idempotency key"),
    "taskiq": ("taskiq `kiq`, stream", 1500, "no validation, no idempotency key"),
}


def part(rig: Rig, rounds: int, share: float = 1.0) -> Outcome:
    """Every road in turn, `rounds` times, a process each."""
    runs: dict[str, list[dict[str, float]]] = {road: [] for road in ROADS}
    for _ in range(rounds):
        for road, (_, many, _) in ROADS.items():
            rig.reset()
            arguments = ("sending.py", road, str(int(many * share)))
            runs[road].append(rig.python(*arguments, BENCH_TASKIQ="stream"))
    wall, cpu = ({road: [run[what] for run in found] for road, found in runs.items()} for what in ("wall_us", "cpu_us"))
    rows = [[what, spread(wall[road]), spread(cpu[road]), lacks] for road, (what, _, lacks) in ROADS.items()]
    table = Table("Enqueuing a report", ["way", "µs", "CPU µs", "what it lacks"], rows)
    of_all_threads = Figure("enqueue-reporter-cpu", "processor time of all threads", _against(cpu, "reporter", "bare"))
    return Outcome([*_figures(wall, "time"), *_figures(cpu, "processor time"), of_all_threads], [table])


def _figures(cost: dict[str, list[float]], at: str) -> list[Figure]:
    return [
        Figure("enqueue-one", at, _against(cost, "ours", "bare")),
        Figure("enqueue-reporter", at, _against(cost, "reporter", "bare")),
        Figure("enqueue-reporter-dramatiq", at, _against(cost, "reporter", "dramatiq")),
        Figure("enqueue-bulk", at, _against(cost, "bulk", "bare")),
    ]


def _against(cost: dict[str, list[float]], road: str, other: str) -> list[float]:
    return [mine / theirs for mine, theirs in zip(cost[road], cost[other], strict=True)]
