"""What limits a queue beside its services: dead letters that fill up, and before all else what a person decided."""

import time
from collections.abc import Callable
from typing import Protocol

from celery.utils.log import get_logger

from ..dead_letters.store import DeadLetters
from .by_hand import ByHand
from .holds import HoldStore

IDLE_LOOK_SECS = 15.0  # between two looks at everything while nothing is held and nobody asks for a look

Permit = Callable[[str, "int | None"], None]

logger = get_logger(__name__)


class LastingPermit(Protocol):
    """Gives a queue permits, which may last while no worker sets them again."""

    def __call__(self, queue: str, permits: int | None, *, lasting: bool = False) -> None:
        """Let all workers together take so many more messages; None lifts the limit."""
        ...


class QueuesByHand:
    """Gives queues what people decided, and all others what `limit` says: the last limit before Redis.

    Whoever decides writes the permits, too (`HoldStore.obey`). So while nobody has decided anything, the record is
    read rarely, and whenever other permits are about to be written.
    """

    def __init__(self, holds: HoldStore, permit: LastingPermit) -> None:
        self._holds, self._permit = holds, permit
        self._decided: dict[str, ByHand] = {}
        self._is_current = self._is_unreadable = False
        self._quiet_until = 0.0

    def turn(self) -> None:
        """Let decisions count, and give a queue of which nobody decides any more what holds it by itself."""
        self._is_current = False
        if self._decided or time.monotonic() >= self._quiet_until:
            self._look()

    def limit(self, queue: str, permits: int | None) -> None:
        """Give a queue these permits, unless a person decided about it."""
        if not self._is_current:
            self._look()
        if queue not in self._decided:
            self._permit(queue, permits)

    def _look(self) -> None:
        found = self._found()
        for queue in self._decided.keys() - found.keys():
            hold = self._holds.by_itself(queue)
            self._permit(queue, hold.permits if hold else None)
            logger.info("Nobody holds or releases queue %s by hand any more", queue, extra={"queue": queue})
        for queue, decided in found.items():
            self._permit(queue, 0 if decided.is_held else None, lasting=decided.is_held)
            if not _is_known(decided, self._decided.get(queue)):
                _tell(decided)
        self._decided, self._is_current = found, True
        self._quiet_until = time.monotonic() + IDLE_LOOK_SECS

    def _found(self) -> dict[str, ByHand]:
        """What people decided; what was known of it, where that cannot be read."""
        found = self._holds.by_hand_if_readable()
        if found is None and not self._is_unreadable:
            logger.error("What people decided about queues cannot be read and counts as it was known. See: mgw doctor")
        self._is_unreadable = found is None
        return self._decided if found is None else found


class FullQueues:
    """Holds the queues whose dead letters fill up, where the app asks for it (`Bounds.hold_when_full`)."""

    def __init__(self, letters: DeadLetters, holds: HoldStore, permit: Permit, *, wanted: bool) -> None:
        self._letters, self._holds, self._permit, self._wanted = letters, holds, permit, wanted
        self._held: set[str] = set()
        self._quiet_until = 0.0

    def turn(self) -> None:
        """Hold what has filled up, and free what has room again."""
        if not self._wanted and time.monotonic() < self._quiet_until:
            return
        self._quiet_until = time.monotonic() + IDLE_LOOK_SECS
        held = self._letters.full_queues() if self._wanted else set[str]()
        before = self._holds.full_queues()
        for queue in held - before:
            self._holds.note_full(queue)
            logger.warning("Queue %s is held: one kind of its dead letters fills a quarter of the bound", queue)
        self._held = held
        for queue in held:
            self._permit(queue, 0)
        for queue in before - held:
            self._permit(queue, None)
            self._holds.forget_full(queue)
            logger.info("Queue %s is free again: its dead letters have room", queue)

    def limit(self, queue: str, permits: int | None) -> None:
        """Give a queue these permits, or none while its dead letters fill up."""
        self._permit(queue, 0 if queue in self._held else permits)


def _is_known(decided: ByHand, before: ByHand | None) -> bool:
    """Whether a decision is the one before; a broken record has another time whenever it is read."""
    return before is not None and (decided.is_held, decided.by, decided.reason) == (
        before.is_held,
        before.by,
        before.reason,
    )


def _tell(decided: ByHand) -> None:
    done = "held" if decided.is_held else "kept free, whatever holds it by itself,"
    facts = {"queue": decided.queue, "user": decided.by, "reason": decided.reason}
    logger.warning("Queue %s is %s by %s: %s", decided.queue, done, decided.by, decided.reason, extra=facts)
