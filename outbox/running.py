"""Runs a relay until it is stopped, through outages of the database and of the broker."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..delivery.connections.replies import summary_of
from .relay import Relay, Turn
from .rows import Backlog, backlog_of

T = TypeVar("T")

logger = logging.getLogger(__name__)

_SHORTEST_REST_SECS, _LONGEST_REST_SECS = 0.05, 1.0  # between two looks at an outbox that is empty
_SHORTEST_WAIT_SECS, _LONGEST_WAIT_SECS = 1.0, 10.0  # before a database or broker that is away is tried again
_TELL_EVERY_SECS = 60.0
_SLICE_SECS = 0.25


@dataclass
class Totals:
    """How many rows were sent, and how many became dead letters."""

    sent: int = 0
    buried: int = 0

    def count(self, turn: Turn) -> None:
        """Add what became of a batch."""
        self.sent += len(turn.sent)
        self.buried += len(turn.buried)


class Away(Exception):
    """The outbox's database or the broker does not answer; the text says which, and quotes no content."""


def send_all(relay: Relay, totals: Totals, is_stopped: Callable[[], bool]) -> None:
    """Send what waits now, batch after batch.

    Raises: Away; MissingTable.
    """
    while not is_stopped() and _turn(relay, totals).read:
        pass


class Running:
    """Sends what comes, again and again."""

    def __init__(self, relay: Relay, totals: Totals, is_stopped: Callable[[], bool]) -> None:
        self._relay, self._totals, self._is_stopped = relay, totals, is_stopped
        self._said, self._told_at, self._told = "", time.monotonic(), Totals()

    def until_stopped(self) -> None:
        """Send what comes, until `is_stopped`; what is under way then is finished.

        Raises: MissingTable.
        """
        rest = wait = 0.0
        while not self._is_stopped():
            try:
                turn = _turn(self._relay, self._totals)
                self._tell_now_and_then()
            except Away as away:
                self._say_once(str(away))
                wait = min(max(2 * wait, _SHORTEST_WAIT_SECS), _LONGEST_WAIT_SECS)
                self._sleep(wait)
                continue
            self._say_once("")
            wait = 0.0
            rest = 0.0 if turn.read else min(max(2 * rest, _SHORTEST_REST_SECS), _LONGEST_REST_SECS)
            self._sleep(rest)

    def _say_once(self, why: str) -> None:
        if why and why != self._said:
            logger.warning("Nothing is sent, and nothing is lost: %s. It is tried again until it succeeds", why)
        elif self._said and not why:
            logger.info("The outbox is sent again")
        self._said = why

    def _tell_now_and_then(self) -> None:
        if time.monotonic() - self._told_at < _TELL_EVERY_SECS:
            return
        self._told_at = time.monotonic()
        sent, buried = self._totals.sent - self._told.sent, self._totals.buried - self._told.buried
        self._told = Totals(self._totals.sent, self._totals.buried)
        waiting = backlog_of(self._relay.engine)
        if sent or buried or waiting is None or waiting.rows:
            logger.info("Outbox: %d sent, %d set aside since the last such line, %s", sent, buried, shown(waiting))

    def _sleep(self, secs: float) -> None:
        """Rest; a signal is noticed within a fraction of a second."""
        end = time.monotonic() + secs
        while not self._is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECS))


def shown(waiting: Backlog | None) -> str:
    """Say how many rows wait, and for how long the first has."""
    if waiting is None:
        return "how many wait is not known"
    if waiting.oldest_at is None:
        return f"{waiting.rows} wait"
    return f"{waiting.rows} wait, the oldest for {waiting.oldest_secs:.0f} s"


def _turn(relay: Relay, totals: Totals) -> Turn:
    turn = _reached(relay.turn)
    totals.count(turn)
    if turn.away is not None:
        raise Away(f"the broker does not take tasks ({summary_of(turn.away)})") from turn.away
    return turn


def _reached(call: Callable[[], T]) -> T:
    try:
        return call()
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise Away(f"the outbox's database does not answer or refuses ({type(cause).__name__})") from error
