"""What worker events (which Flower needs) cost on the path of batches."""

import drain
from results import Figure, Outcome, Table, spread
from rig import Rig

ON = drain.CONTENDERS[0]
OFF = drain.Contender(
    "without events", "", ON.road, ON.many, [word.replace(drain.OUR_APP, "quiet_app") for word in ON.worker]
)


def part(rig: Rig, rounds: int) -> Outcome:
    """Batches of 100 with and without events, in turns."""
    runs: dict[str, list[float]] = {"on": [], "off": []}
    for turn in range(max(rounds, 7)):  # the goal is smaller than the swing of a round
        for name in ("on", "off") if turn % 2 else ("off", "on"):
            runs[name].append(drain.drained(rig, ON if name == "on" else OFF, 0).rate)
    ratio = [on / off for on, off in zip(runs["on"], runs["off"], strict=True)]
    table = Table("Worker events", ["events", "reports/s"], [[name, spread(rates)] for name, rates in runs.items()])
    return Outcome([Figure("events", "0 ms server", ratio)], [table])
