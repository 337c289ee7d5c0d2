"""Held queues: while a service is down, nothing that needs it leaves its queue.

A service's state is the state of its circuit breaker, which all workers share. One elected worker reads it each second
while something is held or a task met an open breaker, else every fifteen seconds:

    breaker open ──────► HELD: no message of the queues that need the service is taken
      ▲                    │ its probe fails and then succeeds, or the breaker's pause is over and the probe succeeds
      │ a task fails       ▼
      └───────────────── TRIAL (breaker half-open): one message a second, until the breaker closes
      │ it opens again     │ breaker closed
      └───────────────── GROWING: 2, 4, 8, … messages a second ──► free at the rate before the outage

A service that asks for a long wait (Retry-After) is held until then, 15 minutes at most, and then tried. A person may
ask for the next trial at once. The permits are keys in the broker's Redis, read by the script that takes messages:
they count for all workers together, from the first message on and after any reconnect. Only a successful probe (or,
without a probe, the end of the pause) or a person ends HELD, and TRIAL always lets a task through, so no state can
wait for itself.

A queue whose dead letters fill up can be held, too, until they have room again; and what a person decided about a
queue counts before all of this (`limits.py`).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery.utils.log import get_logger
from redis.exceptions import RedisError

from ..celery_types import InFlight, WorkerConsumer
from .breakers import CLOSED, HALF_OPEN, OPEN, SharedBreaker
from .holds import ASKED, DOWN, GROWING, LEAST_GROWTH, TRIAL, HoldStore
from .limits import IDLE_LOOK_SECS, Permit

_UNMEASURED = 1024  # messages a second at which queues are freed whose rate before the outage nobody knows

Probe = Callable[[str], bool | None]

logger = get_logger(__name__)


class Holder:
    """Keeps the state of each service, and sets the permits of their queues. `needs` maps queues to services."""

    def __init__(
        self,
        holds: HoldStore,
        needs: Mapping[str, Sequence[str]],
        breaker: Callable[[str], Any],
        probe: Probe,
        permit: Permit,
        pause_secs: float = 60.0,
    ) -> None:
        self._holds, self._needs, self._probe, self._permit = holds, needs, probe, permit
        services = dict.fromkeys(service for listed in needs.values() for service in listed)
        self._breakers = {service: SharedBreaker(breaker(service), pause_secs) for service in services}
        self._seen_down = dict.fromkeys(services, False)
        self._free_until = 0.0  # so long, free queues need not be freed again

    def turn(self) -> None:
        """Move every service on by one step, and give each queue the permits of its most restricted service."""
        is_quiet = not (self._breakers and self._holds.concerns(self._breakers))
        if is_quiet and time.monotonic() < self._free_until:
            return
        # Also where all are free: a leader may have died between two steps.
        are_free = is_quiet and all(breaker.state == CLOSED for breaker in self._breakers.values())
        permits = {service: None if are_free else self._turn(service) for service in self._breakers}
        for queue, services in self._needs.items():
            allowed = [count for service in services if (count := permits[service]) is not None]
            self._permit(queue, min(allowed) if allowed else None)
        self._seen_down = dict.fromkeys(self._seen_down, False) if are_free else self._seen_down
        self._free_until = time.monotonic() + IDLE_LOOK_SECS if are_free else 0.0

    def measure(self) -> None:
        """Note how many calls of each service succeed now, for the time when it comes back."""
        for breaker in self._breakers.values():
            breaker.measure()

    def _turn(self, service: str) -> int | None:
        breaker = self._breakers[service]
        hold = self._holds.get(service)
        if self._holds.take_trial(service) and hold is not None:
            return self._try(service, breaker)
        if self._holds.is_asked(service):
            return self._hold(service, 0, ASKED)
        state = breaker.state
        if hold is not None and hold.why == ASKED and state != OPEN:
            return self._try(service, breaker)  # its wait is over
        if state == OPEN:
            return self._hold_open(service, breaker)
        self._seen_down[service] = False
        if state == HALF_OPEN:
            return self._hold(service, 1, TRIAL)
        return self._grow(service)

    def _hold_open(self, service: str, breaker: SharedBreaker) -> int:
        if not self._is_back(service):
            return self._hold(service, 0, DOWN)
        # The trial starts in the next turn, when every process has connected again (gRPC backs off). A breaker whose
        # state cannot be set stays open until a task is let through.
        return self._hold(service, 0 if breaker.half_open() else 1, TRIAL)

    def _try(self, service: str, breaker: SharedBreaker) -> int:
        """Let one task through now; a breaker whose state can be set decides by it."""
        breaker.half_open()
        return self._hold(service, 1, TRIAL)

    def _is_back(self, service: str) -> bool:
        """Return whether an open breaker may be tried. A service whose probe never failed waits for the pause."""
        healthy = self._probe(service)
        if not healthy:
            self._seen_down[service] |= healthy is False
            return False
        return self._seen_down[service] or self._breakers[service].pause_left_secs() <= 0

    def _grow(self, service: str) -> int | None:
        hold = self._holds.get(service)
        if hold is None:
            return None
        if hold.permits >= hold.free_at:
            self._holds.release(service)
            logger.info("The queues that need %s are free again", service)
            return None
        return self._hold(service, max(1, hold.permits * 2), GROWING)

    def _hold(self, service: str, permits: int, why: str) -> int:
        if self._holds.get(service) is None:
            logger.warning("The queues that need %s are held: %s", service, why)
        self._holds.put(service, permits, why, self._free_at(service))
        return permits

    def _free_at(self, service: str) -> int:
        """Return up to how many messages a second its queues grow when they come back.

        A message makes at least one call, so this may be more than they took, and is never less.
        """
        rate = self._breakers[service].usual_rate
        return _UNMEASURED if rate is None else max(LEAST_GROWTH, math.ceil(rate))


def may_start(consumer: WorkerConsumer, request: InFlight) -> bool:
    """Return whether a task that waited in this worker (a countdown) may run now.

    A task that was taken before the hold needs a permit. One that used up a permit when it was taken needs no second
    one: with one permit a second it would go back to its queue for ever.
    """
    channel, delivery = consumer.task_consumer.channel, request.message.delivery_info
    try:
        return bool(channel.may_start(str(delivery.get("routing_key") or ""), bool(delivery.get("permitted"))))
    except (RedisError, OSError):
        return True
