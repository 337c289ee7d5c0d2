"""The whole system: from a producer's call through Redis, workers and the Registry to a committed row.

Every contender starts with an empty queue and a new database, and ends when the database holds every report: all of
them are counted there afterwards, and one that is lost or duplicated ends the benchmark.
"""

from drain import NO_KEY, OURS, PROCESSES, TASKIQ, celery
from results import Figure, Outcome, Table, medians, ratios
from rig import Rig
from systems import Contender, Run, cells, fields, run

STREAM = {"BENCH_TASKIQ": "stream"}
BATCHES, ONE, BARE = "ours, batches of 100", "ours, one a task", "bare Celery, one a task"
TASKIQ_ONE, TASKIQ_BATCH = "taskiq stream, one a task", "taskiq stream, batches of 100"
PHOENIX, LIMIT = "Arize Phoenix, a span a report", "limit: a script"
CONTENDERS = [
    Contender(BATCHES, "reporter", 16_000, [*OURS, "-c", PROCESSES]),
    Contender(ONE, "ours", 600, [*OURS, "-c", "8"]),
    Contender(BARE, "bare", 600, celery("peers.bare", 8), f"{NO_KEY}; a killed process loses its tasks"),
    Contender(TASKIQ_ONE, "taskiq", 800, TASKIQ, NO_KEY, STREAM),
    Contender(TASKIQ_BATCH, "taskiq_batch", 16_000, TASKIQ, "no validation, a batch fails as a whole", STREAM),
    Contender(PHOENIX, "phoenix", 600, [], "no queue that survives, acknowledged before it is committed, no totals"),
    Contender(LIMIT, "limit", 16_000, [], "no queue, no HTTP, no validation"),
]


def part(rig: Rig, rounds: int, share: float = 1.0) -> Outcome:
    """Every contender in turn on both databases, `rounds` times."""
    outcome = Outcome()
    with fields(rig) as both:
        runs = {on.place.name: {one.name: list[Run]() for one in CONTENDERS} for on in both}
        for _ in range(rounds):
            for on in both:
                for one in CONTENDERS:
                    runs[on.place.name][one.name].append(run(rig, on, one, int(one.many * share)))
    for name, found in runs.items():
        outcome.tables.append(table(name, found))
        outcome.figures += figures(name, found)
        outcome.stacks[name] = {one: medians([run.cpu for run in these]) for one, these in found.items()}
    return outcome


def table(place: str, runs: dict[str, list[Run]]) -> Table:
    """A row a contender."""
    parts = list(dict.fromkeys(part for these in runs.values() for run in these for part in run.cpu))
    header = ["contender", "reports/s", "CPU s a thousand", *parts, "what it lacks"]
    rows = [[one.name, *cells(runs[one.name], parts), one.lacks] for one in CONTENDERS]
    return Table(f"The whole system on {place}", header, rows)


def figures(place: str, runs: dict[str, list[Run]]) -> list[Figure]:
    """What the goals judge."""
    rates = {name: [run.rate for run in these] for name, these in runs.items()}
    cpu = {name: [run.cpu_secs for run in these] for name, these in runs.items()}
    return [
        Figure("whole-bare", place, ratios(rates[BATCHES], rates[BARE])),
        Figure("whole-taskiq", place, ratios(rates[BATCHES], rates[TASKIQ_ONE])),
        Figure("whole-taskiq-batch", place, ratios(rates[BATCHES], rates[TASKIQ_BATCH])),
        Figure("whole-cpu", place, cpu[BATCHES]),
        Figure("whole-cpu-limit", place, ratios(cpu[BATCHES], cpu[LIMIT])),
        Figure("whole-exact", place, [0.0 for _ in rates[BATCHES]]),  # else the run would have failed
    ]
