"""`make fleet`: a fleet on machines that are network namespaces, broken and upgraded under load, and counted."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path[0] = str(HERE.parent)  # from which the package of this folder is found, and `support`

from fleet_in_a_box import old_release, scenarios  # noqa: E402
from fleet_in_a_box.box import PLACE, NotPermitted, enter  # noqa: E402
from fleet_in_a_box.fleet import Fleet  # noqa: E402
from fleet_in_a_box.row import Row, as_text, lines_of  # noqa: E402
from fleet_in_a_box.steps import Steps  # noqa: E402
from fleet_in_a_box.topology import picture  # noqa: E402
from memory_graph_workers.cli.stack.processes import Children  # noqa: E402
from memory_graph_workers.cli.terminal.failure import Failure  # noqa: E402
from support.pages import write_part  # noqa: E402

LONGEST_SECS = 480.0  # after which no row begins
NOT_PERMITTED = 77  # the code of a skipped test in Automake and Meson
ROOT = HERE.parent.parent
PAGE, LOGS = ROOT / "docs" / "fleet.md", ROOT / "build" / "fleet"
Scenario = Callable[[Fleet, Row], None]

_ONCE = "every effect once"
_BUT_LATEST = "no effect twice; what replication lost is counted"
_MOVES: dict[str, tuple[str, Scenario]] = {
    "primary-cut": (
        f"the primary of Redis is cut off from everybody for {scenarios.CUT_SECS:.0f} s or more, and comes back",
        scenarios.partitions_primary,
    ),
    "failover": ("planned failover (`SENTINEL FAILOVER`)", scenarios.fails_over),
    "primary-killed": ("SIGKILL of the primary, which starts again later", scenarios.kills_primary),
}


def parts() -> list[tuple[Row, Scenario]]:
    """All rows of the table in their order, each with what is done for it."""
    worker = Row(
        "worker-cut",
        f"a worker's machine, with a sentinel, is cut off for {scenarios.CUT_SECS:.0f} s while it holds work",
        f"{_ONCE}; its work is taken over within visibility timeout + 5 s; it works again afterwards",
    )
    beat = Row("beat-lost", "the machine of the beat that sends is lost", f"{_ONCE}; one sweep an interval")
    upgrade = Row(
        "upgrade",
        f"rolling upgrade from {old_release.TAG}, at a `redis://` address: workers, beats and a producer are replaced "
        "one by one; the services were before",
        f"{_ONCE}, while both releases send and work",
    )
    coordinated = Row(
        "coordinated", "planned failover that Valkey 9 coordinates (`SENTINEL FAILOVER … COORDINATED`)", _ONCE
    )
    found: list[tuple[Row, Scenario]] = [
        (worker, scenarios.partitions_worker),
        (beat, scenarios.loses_beat),
        (coordinated, scenarios.coordinates_failover),
    ]
    for waits in (0, 1):
        promise = _ONCE if waits else _BUT_LATEST
        found += [(Row(name, what, promise, waits, not waits), move) for name, (what, move) in _MOVES.items()]
    return [*found, (upgrade, scenarios.upgrades)]


class Run:
    """One run of the chosen rows on one fleet, whose workers and beats are started again where settings change."""

    def __init__(self, fleet: Fleet, steps: Steps) -> None:
        self._fleet, self._steps = fleet, steps
        self._waits: int | None = None
        self._ends_at = time.monotonic() + LONGEST_SECS * fleet.programs.patience

    def play(self, row: Row, scenario: Scenario) -> None:
        """Play one row."""
        since = time.monotonic()
        if since > self._ends_at:
            row.impossible = f"the rows before it took {LONGEST_SECS / 60:.0f} minutes; give it more --patience"
        elif row.name == "upgrade":
            scenario = self._with_old_members(row, scenario)
        elif row.waits != self._waits:
            self._waits = row.waits
            self._fleet.use(**({"REDIS_MIN_REPLICAS": str(row.waits)} if row.waits else {}))
            self._steps.do("Starting workers and beats", self._fleet.restart_members)
        if not row.impossible:
            self._steps.do(row.what, lambda: scenarios.run(self._fleet, row, scenario))
        print(f"{row.name}: {row.verdict} ({time.monotonic() - since:.0f} s)", file=sys.stderr)  # noqa: T201

    def _with_old_members(self, row: Row, scenario: Callable[..., None]) -> Scenario:
        """Let the old release run the fleet; it knows one server by its address, and no sentinel."""
        if not old_release.is_here():
            row.impossible = f"this clone has no tag {old_release.TAG} (git fetch --tags)"
            return scenario
        python = old_release.interpreter(self._fleet.programs.home / "old-release")
        self._fleet.use(self._fleet.redis_servers.url(self._fleet.redis_servers.wait_whole()))
        self._steps.do(f"Starting workers and beats of {old_release.TAG}", partial(self._fleet.restart_members, python))
        return partial(scenario, old_python=python)


def play(chosen: Sequence[tuple[Row, Scenario]], patience: float) -> None:
    """Build the fleet, play the rows, and end all programs."""
    home = PLACE / "fleet"
    (home / "logs").mkdir(parents=True)
    try:
        with Children(home / "logs", grace_secs=20) as children, Steps() as steps:
            fleet = Fleet(home, children, patience)
            try:
                steps.do("Starting PostgreSQL, Redis, sentinels and services", fleet.start_servers)
                run = Run(fleet, steps)
                for row, scenario in chosen:
                    run.play(row, scenario)
            finally:
                fleet.programs.kill_all()
    finally:
        shutil.rmtree(LOGS, ignore_errors=True)
        shutil.copytree(home / "logs", LOGS)


def write_page(rows: Sequence[Row], secs: float) -> None:
    """Write the picture and the table into docs/fleet.md."""
    write_part(PAGE, "picture", "fleet", picture())
    when = f"{os.cpu_count()} processors, {secs / 60:.0f} minutes in all."
    write_part(PAGE, "table", "fleet", [when, "", *lines_of(rows)])


def main() -> int:
    """Play the chosen rows; returns 0 if all of them hold, 1 if not, 77 if this machine does not permit it."""
    names = list(dict.fromkeys(row.name for row, _ in parts()))
    parser = argparse.ArgumentParser(prog="make fleet", description=__doc__, epilog='Example: make fleet ARGS="--json"')
    parser.add_argument("--only", choices=names, action="append", help="play this alone; the page stays as it is")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON object")
    parser.add_argument("--patience", type=float, default=1.0, help="multiply all waits, for a busy machine")
    options = parser.parse_args()
    try:
        enter()
    except NotPermitted as lack:
        print(f"A fleet in a box needs {lack}. Nothing was started.", file=sys.stderr)  # noqa: T201
        return NOT_PERMITTED
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us in its background
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    since, chosen = time.monotonic(), [part for part in parts() if not options.only or part[0].name in options.only]
    try:
        play(chosen, options.patience)
    except (Failure, TimeoutError) as error:
        print(f"{error}\nThe logs are in {LOGS}.", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    rows = [row for row, _ in chosen]
    if not options.only:
        write_page(rows, time.monotonic() - since)
    print(as_text(rows) if options.json else "\n".join(lines_of(rows)))  # noqa: T201
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
