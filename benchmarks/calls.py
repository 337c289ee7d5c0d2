"""What a call of our client costs, and what its breaker leaves of sixteen threads."""

from typing import Any

from results import Figure, Outcome, Table, spread
from rig import Rig

PROBE_MS = 200


def part(rig: Rig, rounds: int) -> Outcome:
    """CPU at both speeds, threads at 10 ms, probes against a slow answer."""
    outcome = Outcome()
    rows: list[list[str]] = []
    for delay_ms in (0, 10):
        runs = turns(rig, rounds, delay_ms, "cpu")
        ratio = [run["ours"] / run["requests"] for run in runs]
        outcome.figures.append(Figure("call-cpu", f"{delay_ms} ms server", ratio))
        rows += [[f"CPU µs a call, {name}, {delay_ms} ms", spread([run[name] for run in runs])] for name in runs[0]]
    runs = turns(rig, rounds, 10, "threads")
    rows += [[f"calls/s, 16 threads, breaker: {name}", spread([run[name] for run in runs])] for name in runs[0]]
    for kind in ("memory", "shared"):
        ratio = [run[kind] / run["none"] for run in runs]
        outcome.figures.append(Figure("breaker-concurrency", f"breaker: {kind}", ratio))
    probes = [float(run["through"]) for run in turns(rig, rounds, PROBE_MS, "probes")]
    outcome.figures.append(Figure("breaker-probes", "16 threads at once", [max(probes)]))
    rows.append(["calls through a half-open breaker", spread(probes)])
    outcome.tables.append(Table("Calls", ["what", "figure"], rows))
    return outcome


def turns(rig: Rig, rounds: int, delay_ms: float, what: str) -> list[dict[str, Any]]:
    """A process a round."""
    found: list[dict[str, Any]] = []
    for _ in range(rounds):
        rig.reset(delay_ms)
        found.append(rig.python("calling.py", what))
    return found
