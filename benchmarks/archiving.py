"""How fast due sessions are archived: our sweep, a plain Celery task a session, and scripts without a queue.

Registry, Vault and graph are made up and answer at once; every contender makes the same calls for a session.
"""

from collections.abc import Sequence

from drain import NO_KEY, OURS, PROCESSES, celery
from results import Figure, Outcome, Table, ratios, spread
from rig import Rig, pause

SWEEP, PLAIN, LIMIT = (
    "ours, the sweep",
    "plain Celery, one task a session, prefork 8",
    "limit: 2 processes of 8 threads",
)
MANY = {SWEEP: 1500, PLAIN: 600, LIMIT: 1500}
LACKS = {SWEEP: "", PLAIN: f"{NO_KEY}, no recovery", LIMIT: f"no queue, {NO_KEY}, no recovery"}
SKIPPED, SECS = 0.15, 120.0


def part(rig: Rig, rounds: int) -> Outcome:
    """Every contender in turn, `rounds` times."""
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in MANY}
    for _ in range(rounds):
        for name, many in MANY.items():
            runs[name].append(archived(rig, name, many))
    rates = {name: [rate for rate, _, _ in found] for name, found in runs.items()}
    rows = [
        [
            name,
            spread(rates[name]),
            spread([cpu for _, cpu, _ in found], 2),
            spread([peak for _, _, peak in found]),
            LACKS[name],
        ]
        for name, found in runs.items()
    ]
    header = ["contender", "sessions/s", "CPU s a thousand", "peak MiB", "what it lacks"]
    figures = [
        Figure("archiving-plain", "0 ms server", ratios(rates[SWEEP], rates[PLAIN])),
        Figure("archiving-limit", "0 ms server", ratios(rates[SWEEP], rates[LIMIT])),
    ]
    return Outcome(figures, [Table("Archiving", header, rows)])


def archived(rig: Rig, name: str, many: int) -> tuple[float, float, float]:
    """Sessions a second, processor seconds a thousand, peak memory."""
    rig.reset(sessions=many, all_due=1)
    if name != LIMIT:
        rig.python("sending_archiving.py", "sweep" if name == SWEEP else "plain", str(many))
    warm = int(many * SKIPPED)
    with rig.program("archiving", command(name, many)) as worker:
        rig.wait_for_archived(warm, SECS, worker)
        cpu, began = worker.cpu_secs(), rig.seen().archived
        while not worker.ended and rig.seen().archived < many:
            worker.memory_mib()
            worker.cpu_secs()
            pause()
        rig.wait_for_archived(many, SECS)
        used = worker.cpu_secs() - cpu
    first, last = rig.seen(warm).archived_bounds or (0.0, 1.0)
    return (many - 1 - warm) / (last - first), used / max(many - began, 1) * 1000, worker.peak_mib


def command(name: str, many: int) -> Sequence[str]:
    """What works."""
    if name == SWEEP:
        return [*OURS, "-c", PROCESSES]
    return celery("peers.plain", 8) if name == PLAIN else ["limit_archiving", "2", str(many)]
