"""What is held, since when and why, in the Redis that the breakers are in."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from ..broker.permits import set_permits
from ..connections.replies import State, state_of
from ..keys import Keys
from ..timestamps import format_timestamp, now, parse_timestamp
from .by_hand import ByHand, read_by_hand, record_of

LONGEST_COUNTDOWN_SECS = 900.0  # what asks for a longer wait is held
LEAST_GROWTH = 64  # messages a second that queues come back to, however few they took before
LONGEST_HOLD_SECS = 900.0  # after it a service is tried, whatever wait it asked for
DEAD_LETTERS = "dead letters"  # what a queue is held for whose dead letters fill up
PERSON = "a person"  # in the place of a service, where somebody holds the queue by hand
_FILLED = "one kind of its dead letters fills a quarter of the bound; replay or purge them"
_TRIAL_ASKED_SECS = 60
_REFUSED_SECS = 10
LEADER_SECS = 30
# Why a service is held, as its record says it.
DOWN, TRIAL, GROWING, ASKED = "it is down", "it is being tried", "it is coming back", "it asked to wait"
_BROKEN = "its record is broken; the leading worker writes it again"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hold:
    """A service whose queues are held: `permits` messages a second may still be taken.

    When it comes back, they are doubled each second, and its queues are free after `free_at`.
    """

    service: str
    permits: int
    since: datetime
    why: str
    free_at: int = LEAST_GROWTH


def hold_of(service: str, found: Mapping[bytes, bytes]) -> Hold | None:
    """How a service is held, by the hash `Keys.hold`, or None if that is empty."""
    try:
        kept = {key.decode(): value.decode() for key, value in found.items()}
        if not kept:
            return None
        # One that an older release wrote has no `free_at`.
        since, free_at = parse_timestamp(kept["since"]).astimezone(UTC), int(kept.get("free_at", LEAST_GROWTH))
        return Hold(service, int(kept["permits"]), since, kept["why"], free_at)
    except (LookupError, ValueError, OverflowError):
        return Hold(service, 0, now(), _BROKEN)


class HoldStore:
    """Reads and writes what is held; every method may raise redis.RedisError."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        broker: Redis | None = None,
        needs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`broker` has the permits, if it is another Redis; `needs` are the services of each queue."""
        self._redis: Any = redis
        self._broker = redis if broker is None else broker
        self._keys, self._needs = keys, needs or {}

    def ask(self, service: str, secs: float) -> None:
        """Hold a service because it asked for a wait, 15 minutes at most; a longer one asked for before stays."""
        wait_ms = int(min(secs, LONGEST_HOLD_SECS) * 1000)
        if self._redis.pttl(self._keys.asked(service)) < wait_ms:
            self._redis.set(self._keys.asked(service), "1", px=wait_ms)

    def is_asked(self, service: str) -> bool:
        """Whether the wait that the service asked for is not over."""
        return bool(self._redis.exists(self._keys.asked(service)))

    def ask_for_trial(self, service: str) -> None:
        """Ask that a held service be tried now; whoever turns the states does so within a minute, or never."""
        self._redis.set(self._keys.trial(service), "1", ex=_TRIAL_ASKED_SECS)

    def note_refused(self) -> None:
        """A task met an open circuit breaker: whoever turns the states looks at the breakers in its next turn."""
        self._redis.set(self._keys.refused, "1", ex=_REFUSED_SECS)

    def concerns(self, services: Iterable[str]) -> bool:
        """Whether whoever turns the states has anything to do.

        That is so if a service is held, asked for a wait or is to be tried, if a task met an open breaker, or if a
        person decided about a queue.
        """
        kinds = (self._keys.hold, self._keys.asked, self._keys.trial)
        names = (name(service) for service in services for name in kinds)
        return bool(self._redis.exists(self._keys.refused, self._keys.by_hand, *names))

    def take_trial(self, service: str) -> bool:
        """Whether somebody asked for a trial; the request, and the wait that the service asked for, are over then."""
        if not self._redis.delete(self._keys.trial(service)):
            return False
        self._redis.delete(self._keys.asked(service))
        return True

    def get(self, service: str) -> Hold | None:
        """How a service is held, or None."""
        try:
            return hold_of(service, self._redis.hgetall(self._keys.hold(service)))
        except ResponseError as error:
            if state_of(error) is not State.CORRUPT_KEY:
                raise
            return Hold(service, 0, now(), _BROKEN)

    def strictest(self, services: Iterable[str]) -> Hold | None:
        """The one of these services that restricts most what needs all of them, or None."""
        found = [held for service in services if (held := self.get(service)) is not None]
        return min(found, key=lambda held: held.permits, default=None)

    def of_queue(self, queue: str) -> Hold | None:
        """How a queue is held: by a person, or else by itself. None if it is free, also because a person says so."""
        decided = self.by_hand().get(queue)
        if decided is None:
            return self.by_itself(queue)
        why = f"{decided.by}: {decided.reason}"
        return Hold(PERSON, 0, decided.since, why, free_at=0) if decided.is_held else None

    def by_itself(self, queue: str) -> Hold | None:
        """The strictest hold on a queue while no person decides, or None."""
        return self.full(queue) or self.strictest(self._needs.get(queue, ()))

    def hold_by_hand(self, queue: str, by: str, reason: str) -> None:
        """Hold a queue until a person says otherwise: nothing is taken from it, and no other state frees it.

        Raises: ValueError for words that cannot be shown on one line, or are longer than 200 characters.
        """
        self._decide(ByHand(queue, True, by, reason, now()))

    def release_by_hand(self, queue: str, by: str, reason: str) -> None:
        """Keep a queue free until a person says otherwise: no breaker, no wait and no dead letters hold it.

        Raises: ValueError for words that cannot be shown on one line, or are longer than 200 characters.
        """
        self._decide(ByHand(queue, False, by, reason, now()))

    def leave_to_workers(self, queue: str) -> bool:
        """Forget what a person decided about a queue, so that its services count again; False if there was nothing."""
        if not self._redis.hexists(self._keys.by_hand, queue):
            return False
        # In this order: if only one of both steps is taken, the record still says what the permits are to be.
        hold = self.by_itself(queue)
        set_permits(self._broker, self._keys.permits(queue), hold.permits if hold else None)
        return bool(self._redis.hdel(self._keys.by_hand, queue))

    def by_hand(self) -> dict[str, ByHand]:
        """What people decided, by queue. A broken record holds its queue; of a key of another kind nothing is known."""
        return self.by_hand_if_readable() or {}

    def by_hand_if_readable(self) -> dict[str, ByHand] | None:
        """The same, or None if the key holds data of another kind."""
        try:
            return read_by_hand(self._redis.hgetall(self._keys.by_hand))
        except ResponseError as error:
            if state_of(error) is not State.CORRUPT_KEY:
                raise
            return None

    def obey(self, decided: ByHand) -> None:
        """Let a decision count at once, and not only when the leading worker sees it."""
        permits = 0 if decided.is_held else None
        set_permits(self._broker, self._keys.permits(decided.queue), permits, lasting=decided.is_held)

    def _decide(self, decided: ByHand) -> None:
        record = record_of(decided)
        try:
            self._redis.hset(self._keys.by_hand, decided.queue, record)
        except ResponseError as error:
            if state_of(error) is not State.CORRUPT_KEY:
                raise
            logger.error("What people decided about queues could not be read: it is forgotten, and written again")
            self._redis.delete(self._keys.by_hand)
            self._redis.hset(self._keys.by_hand, decided.queue, record)
        self.obey(decided)

    def full_queues(self) -> set[str]:
        """The queues that are held because their dead letters fill up."""
        return {queue.decode() for queue in self._redis.hkeys(self._keys.full)}

    def full(self, queue: str) -> Hold | None:
        """How a queue is held whose dead letters fill up, or None."""
        since = self._redis.hget(self._keys.full, queue)
        if since is None:
            return None
        try:
            return Hold(DEAD_LETTERS, 0, parse_timestamp(since.decode()).astimezone(UTC), _FILLED, free_at=0)
        except (ValueError, OverflowError):  # it is held all the same
            return Hold(DEAD_LETTERS, 0, now(), _FILLED, free_at=0)

    def note_full(self, queue: str) -> None:
        """Write down that a queue is held because its dead letters fill up."""
        self._redis.hsetnx(self._keys.full, queue, format_timestamp(now()))

    def forget_full(self, queue: str) -> None:
        """Hold a queue no longer for its dead letters."""
        self._redis.hdel(self._keys.full, queue)

    def put(self, service: str, permits: int, why: str, free_at: int = LEAST_GROWTH) -> None:
        """Write down how a service is held, in the place of a broken record; `since` and `free_at` stay as they are."""
        held = self.get(service)
        if held and held.why == _BROKEN:
            logger.error("How %s was held could not be read: it is written again", service)
            self.release(service)
        with self._redis.pipeline(transaction=True) as pipe:  # whoever reads finds all of it, or nothing
            pipe.hsetnx(self._keys.hold(service), "since", format_timestamp(now()))
            pipe.hsetnx(self._keys.hold(service), "free_at", str(free_at))
            pipe.hset(self._keys.hold(service), mapping={"permits": permits, "why": why})
            pipe.execute()

    def release(self, service: str) -> None:
        """Hold a service no longer."""
        self._redis.delete(self._keys.hold(service))

    def lead(self, name: str) -> bool:
        """Become, or stay, the one that turns the states; another one follows half a minute after its end."""
        key = self._keys.leader
        found = self._redis.get(key)
        if found is None:
            return bool(self._redis.set(key, name, nx=True, ex=LEADER_SECS))
        return found == name.encode() and bool(self._redis.expire(key, LEADER_SECS))

    def resign(self, name: str) -> None:
        """Let another one lead at once."""
        if self._redis.get(self._keys.leader) == name.encode():
            self._redis.delete(self._keys.leader)
