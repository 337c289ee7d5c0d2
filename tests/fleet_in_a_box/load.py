"""What producers send during one scenario, and what is counted of it at the end."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count

from .effects import Sent, newest_reports
from .fleet import Fleet
from .row import Row
from .topology import BEATS, WORKERS

STEADY_SECS = 4.0
SETTLES_SECS, BACK_SECS = 40.0, 25.0
_numbers = count(1)


class Load:
    """What producers send during one scenario."""

    def __init__(self, fleet: Fleet, row: Row) -> None:
        self._fleet, self._row, self._name = fleet, row, f"load-{next(_numbers)}-{row.name}"
        self._began = len(fleet.ledgers)
        self._letters_before = fleet.letters().keys()
        self._producers: list[str] = []

    def start(self, host: str, python: str = sys.executable) -> str:
        """Start a producer, and wait until it has sent something."""
        name = f"{self._name}-{len(self._producers) + 1}"
        self._fleet.start_producer(host, name, python)
        self._producers.append(name)
        ledger = self._fleet.ledgers[-1]
        self._fleet.programs.wait_until(lambda _: ledger.exists() and ledger.stat().st_size, [name])
        return name

    def sent(self, since: float = 0.0) -> Sent:
        """What was acknowledged, from a time of the monotonic clock on."""
        return Sent.of(self._fleet.ledgers[self._began :], since)

    def back(self, since: float, within_secs: float = BACK_SECS) -> None:
        """Wait until something is counted that is acknowledged from now on; note how long that took since the fault."""
        programs, stores, moved = self._fleet.programs, self._fleet.stores, time.monotonic()
        programs.wait(lambda: self.sent(moved).reports & newest_reports(stores.registry), 60, "work goes on")
        self._row.back(time.monotonic() - since, within_secs * programs.patience)

    def judge(self) -> None:
        """Stop the producers, wait until all work is over, and count."""
        fleet, row = self._fleet, self._row
        for host in fleet.programs.hosts.values():
            host.join()
        fleet.programs.stop([name for name in self._producers if fleet.programs.is_alive(name)])
        try:
            self._settle()
        except TimeoutError as error:
            row.demand(row.may_lose, f"{error} ({fleet.state()})")
        sent, effects = self.sent(), fleet.stores.effects()
        row.count(sent.effects, effects.lost(sent), effects.twice(sent))
        letters = [said for one, said in fleet.letters().items() if one not in self._letters_before]
        row.demand(not letters, f"{len(letters)} dead letters: {sorted(set(letters))[:3]}")
        dead = [name for name in (*WORKERS, *BEATS) if not fleet.programs.is_alive(name)]
        row.demand(not dead, f"{dead} did not live on")

    def _settle(self) -> None:
        """Wait until all work is over; where messages may be lost, a sweep may have to be resumed."""
        programs, is_idle = self._fleet.programs, self._fleet.is_idle
        try:
            programs.wait(is_idle, SETTLES_SECS, "all work over")
        except TimeoutError:
            if not (self._row.may_lose and self._fleet.resume_sweep()):
                raise
            self._row.notes.append("a sweep lost its next message and stalled, until its lock's ten minutes were over")
            programs.wait(is_idle, SETTLES_SECS, "all work over")


@contextmanager
def under_load(fleet: Fleet, row: Row) -> Generator[Load]:
    """Let a producer send for a while before and after, and count at the end."""
    load = Load(fleet, row)
    load.start("producer-1")
    time.sleep(STEADY_SECS)
    try:
        yield load
        time.sleep(STEADY_SECS)
    finally:
        load.judge()
