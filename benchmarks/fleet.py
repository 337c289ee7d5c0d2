"""What idle workers cost Redis, how soon a fleet finds messages, and how it comes back after Redis was away.

Ten workers are real, and show that ten replayed ones send the same; larger fleets are replayed.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from fleets import BURST, Fleet, Idle, Return, Running, running
from results import Figure, Outcome, Table, spread
from rig import Rig

ONE, TEN = Fleet(1, is_real=True), Fleet(10, is_real=True)
TEN_REPLAYED, LARGEST = Fleet(10), Fleet(500)
FLEETS = [ONE, TEN, TEN_REPLAYED, Fleet(100), LARGEST]
SETTLED_SECS = 20.0  # until every worker knows how large the fleet is
MESSAGES = 25  # a round, each after a quiet time
READINGS: dict[str, Callable[[Idle], float]] = {
    "commands/s": lambda found: found.commands,
    "Redis, % of a core": lambda found: found.processor * 100,
    "bytes/s to Redis": lambda found: found.bytes_in,
    "bytes/s from Redis": lambda found: found.bytes_out,
}


def part(rig: Rig, rounds: int, fleets: Sequence[Fleet] = FLEETS) -> Outcome:
    """Every fleet in turn: idle, then message after message; the last one in a burst and without Redis, too."""
    idle: dict[Fleet, list[Idle]] = {}
    first: dict[Fleet, list[list[float]]] = {}
    burst, back = list[float](), list[Return]()
    for fleet in fleets:
        with running(rig, fleet) as found:
            time.sleep(SETTLED_SECS)
            idle[fleet] = [found.idle() for _ in range(rounds)]
            first[fleet] = [list(messages(found)) for _ in range(rounds)]
            if fleet == fleets[-1]:
                burst = [found.burst() for _ in range(rounds) if rested()]
                back = [found.comes_back() for _ in range(rounds) if rested()]
    figures = [*idle_figures(idle), *first_figures(first), *last_figures(fleets[-1], burst, back)]
    return Outcome(figures, [table(idle, first), last_table(fleets[-1], burst, back)])


def messages(found: Running) -> Iterator[float]:
    """Milliseconds until each of some messages was taken, after a quiet time of two to three seconds each."""
    for _ in range(MESSAGES):
        time.sleep(random.uniform(2, 3))
        yield found.first_secs() * 1000


def rested() -> bool:
    """Let a fleet become idle again."""
    time.sleep(SETTLED_SECS)
    return True


def idle_figures(idle: dict[Fleet, list[Idle]]) -> Iterator[Figure]:
    """What the goals judge of idle fleets; between two fleets, their medians or round by round."""
    largest = idle.get(LARGEST, [])
    if ONE in idle:
        yield Figure("fleet-one", "1 worker", [found.commands for found in idle[ONE]])
    if largest:
        yield Figure("fleet-processor", LARGEST.name, [found.processor * 100 for found in largest])
    if largest and TEN_REPLAYED in idle:
        pairs = zip(largest, idle[TEN_REPLAYED], strict=True)
        yield Figure("fleet-steady", LARGEST.name, [many.processor / few.processor for many, few in pairs])
    if TEN in idle and TEN_REPLAYED in idle:
        for name, read in READINGS.items():
            pairs = zip(map(read, idle[TEN]), map(read, idle[TEN_REPLAYED]), strict=True)
            yield Figure(
                "fleet-replayed", f"10 workers, {name}", [max(one / other, other / one) for one, other in pairs]
            )


def first_figures(first: dict[Fleet, list[list[float]]]) -> Iterator[Figure]:
    """What the goals judge of first messages."""
    for fleet, rounds in first.items():
        yield Figure("fleet-first", fleet.name, [statistics.median(found) for found in rounds])
        yield Figure("fleet-first-most", fleet.name, [most(found) for found in rounds])


def last_figures(fleet: Fleet, burst: list[float], back: list[Return]) -> list[Figure]:
    """What the goals judge of bursts and returns."""
    return [
        Figure("fleet-burst", fleet.name, burst),
        Figure("fleet-tries", fleet.name, [found.tries for found in back]),
        Figure("fleet-pause", fleet.name, [found.pause_secs for found in back]),
    ]


def table(idle: dict[Fleet, list[Idle]], first: dict[Fleet, list[list[float]]]) -> Table:
    """A row a fleet."""
    header = ["workers", *READINGS, "first message, median ms", "99 % ms"]
    rows = [
        [
            fleet.name,
            *(spread([read(found) for found in idle[fleet]], 1) for read in READINGS.values()),
            spread([statistics.median(found) for found in first[fleet]]),
            spread([most(found) for found in first[fleet]]),
        ]
        for fleet in idle
    ]
    return Table("Idle fleets", header, rows)


def last_table(fleet: Fleet, burst: list[float], back: list[Return]) -> Table:
    """What became of a burst, and of the fleet when Redis was away for ten seconds."""
    rows = [
        [f"s until 90 % have taken one of {BURST:,} messages", spread(burst, 2)],
        ["tries to connect in the busiest second", spread([found.tries for found in back])],
        ["connections that Redis accepted in the busiest second", spread([found.connections for found in back])],
        ["longest pause between two tries, s", spread([found.pause_secs for found in back], 2)],
        ["s until the last worker was back", spread([found.last_secs for found in back], 2)],
    ]
    return Table(f"A burst, and Redis away: {fleet.name} workers", ["what", "figure"], rows)


def most(found: Sequence[float]) -> float:
    """What 99 % of some values do not exceed: the most of less than a hundred."""
    return sorted(found)[max(0, -(-len(found) * 99 // 100) - 1)]
