"""What a sweep costs by the number of sessions listed, one in a hundred due: time, worker and Redis memory.

Content is left out (`ARCHIVE_WITHOUT_CONTENT`): it is read of the due sessions alone. A page holds a thousand
sessions.
"""

import math
from dataclasses import dataclass

from drain import OURS, PROCESSES
from memory_graph_workers.tasks.archival.state import Sweeps
from results import Figure, Outcome, Table, spread
from rig import MIB, Program, Rig, pause

SIZES = (10_000, 100_000, 1_000_000)
LARGEST = max(SIZES)
FILTERED_SIZES = (100_000, LARGEST)
WARM = 100_000  # swept first, by the same worker: what a process takes to get warm is not the walk's
SECS = 200.0
PAGE = {"ARCHIVE_WITHOUT_CONTENT": "true", "ARCHIVAL_BATCH_SIZE": "1000"}
# Where the listing is filtered the walk outruns the batches, and waits for them at the bound of those in flight.
BOUNDED = {"ARCHIVAL_MOST_BATCHES": "2"}
BOUNDED_SIZES = (300_000, LARGEST)


@dataclass(frozen=True)
class Walked:
    """One sweep: its walk, the time until the last session was archived, and what worker and Redis held at most."""

    secs: float
    sweep_secs: float
    pages: int
    peak_mib: float
    redis_mib: float


def part(rig: Rig, rounds: int) -> Outcome:
    """The sizes in turns: the whole listing, with filters honoured, and with few batches in flight."""
    runs: dict[int, list[Walked]] = {size: [] for size in SIZES}
    filtered: dict[int, list[Walked]] = {size: [] for size in FILTERED_SIZES}
    bounded: dict[int, list[Walked]] = {size: [] for size in BOUNDED_SIZES}
    for _ in range(rounds):
        for size, found in runs.items():
            found.append(walked(rig, size, honours_hints=False))
        for size, found in filtered.items():
            found.append(walked(rig, size, honours_hints=True))
        for size, found in bounded.items():
            found.append(walked(rig, size, honours_hints=True, **BOUNDED))
    labelled = {f"{size:,}": found for size, found in runs.items()}
    labelled |= {f"{size:,}, filters honoured": found for size, found in filtered.items()}
    labelled |= {f"{size:,}, filters honoured, 2 batches in flight": found for size, found in bounded.items()}
    rows = [
        [
            name,
            spread([run.secs for run in found], 2),
            spread([run.sweep_secs for run in found], 2),
            spread([float(run.pages) for run in found]),
            spread([run.peak_mib for run in found]),
            spread([run.redis_mib for run in found], 1),
        ]
        for name, found in labelled.items()
    ]
    header = [
        "sessions there",
        "walk, s",
        "until the last is archived, s",
        "pages asked for",
        "worker's peak MiB",
        "Redis more, MiB",
    ]
    return Outcome(_figures(runs, filtered, bounded), [Table("The sweep's walk, 1 % due", header, rows)])


def walked(rig: Rig, size: int, *, honours_hints: bool, **environ: str) -> Walked:
    """One sweep from its sending to its end, by a worker that is warm."""
    rig.reset(sessions=WARM)
    with rig.program("walk", [*OURS, "-c", PROCESSES], **PAGE, **environ) as worker:
        swept(rig, worker, WARM)
        rig.answers(sessions=size, **({"hints": 1} if honours_hints else {}))
        before = rig.redis.info("memory")["used_memory"]
        worker.peak_mib = 0.0
        redis_peak = swept(rig, worker, size)
    seen = rig.seen()
    if seen.listed_bounds is None:
        raise RuntimeError("Nothing was listed")
    first, last = seen.listed_bounds
    end = (rig.seen(size // 100).archived_bounds or (0.0, 0.0))[1]
    return Walked(last - first, end - first, seen.pages, worker.peak_mib, (redis_peak - before) / MIB)


def swept(rig: Rig, worker: Program, size: int) -> int:
    """Wait for a sweep of so many sessions; the bytes that Redis used at most."""
    state, redis_peak, due = Sweeps(rig.redis), 0, size // 100
    rig.python("sending_archiving.py", "sweep", "1", **PAGE)
    for _ in range(int(SECS / 0.1)):
        redis_peak = max(redis_peak, rig.redis.info("memory")["used_memory"])
        worker.memory_mib()
        if worker.ended or (rig.seen().archived >= due and state.unfinished() is None):
            break
        pause(0.1)
    else:
        raise RuntimeError(f"The sweep of {size} sessions did not end within {SECS} s")
    if rig.seen().archived != due:
        raise RuntimeError(f"{rig.seen().archived} of {due} sessions were archived")
    return redis_peak


def _figures(
    runs: dict[int, list[Walked]], filtered: dict[int, list[Walked]], bounded: dict[int, list[Walked]]
) -> list[Figure]:
    def ratios(found: dict[int, list[Walked]], more: int, less: int, what: str) -> list[float]:
        pairs = zip(found[more], found[less], strict=True)
        return [getattr(one, what) / getattr(other, what) for one, other in pairs]

    def exponents(found: dict[int, list[Walked]], what: str) -> list[float]:
        return [math.log10(ratio) for ratio in ratios(found, LARGEST, LARGEST // 10, what)]

    return [
        Figure("walk-memory", "", ratios(runs, LARGEST, 10_000, "peak_mib")),
        Figure("walk-exponent", "100 k to 1 M", exponents(runs, "secs")),
        Figure("walk-filtered", "1 k to 10 k due", exponents(filtered, "sweep_secs")),
        Figure("walk-redis", "2 batches in flight", ratios(bounded, LARGEST, BOUNDED_SIZES[0], "redis_mib")),
    ]
