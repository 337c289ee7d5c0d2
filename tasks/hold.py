"""Held queues: while a service is down, nothing that needs it leaves its queue.

What a service is, the breaker that all workers share in Redis says. One elected worker turns this once a second:

    breaker open ──────► HELD: no message of the queues that need the service is taken
      ▲                    │ its health check fails and then succeeds, or the breaker's pause is over and it succeeds
      │ a task fails       ▼
      └───────────────── TRIAL (breaker half-open): one message a second, until two calls succeed
      │ five in a row      │ breaker closed
      └───────────────── GROWING: 2, 4, 8, … messages a second ──► free

A service that asks for a long wait (Retry-After) is held until then. The permits are keys in the broker's Redis
that the script which takes messages reads, so they count for all workers together, from the first message on and
after any reconnect. The probe asks `/health` in a process of its own: it may hang, and gRPC must not be loaded here.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import pybreaker
from celery import bootsteps
from celery.utils.log import get_logger
from redis import Redis
from redis.exceptions import RedisError

from ..clients.breaker import RedisStorage
from ..schemas.fields import format_timestamp, now, parse_timestamp
from . import connections
from .transport import Channel

LONGEST_COUNTDOWN_SECS = 900.0  # what asks for a longer wait is held
LONGEST_HOLD_SECS = 86_400.0
TURN_SECS = 1.0
PROBE_EVERY_SECS = 5.0
_PROBE_SECS = 10.0
_LEADER_SECS = 30
_FREE_ABOVE = 64
_KEY = "memory_graph:hold"
_DOWN, _TRIAL, _GROWING, _ASKED = "it is down", "it is being tried", "it is coming back", "it asked to wait"

_Step: Any = bootsteps.StartStopStep
Probe = Callable[[str], bool]
Permit = Callable[[str, "int | None"], None]

logger = get_logger(__name__)


@dataclass(frozen=True)
class Held:
    """A service whose queues are held: `permits` messages a second may still be taken."""

    service: str
    permits: int
    since: datetime
    why: str


class Holds:
    """What is held, in the Redis that the breakers are in; every method may raise redis.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    def ask(self, service: str, secs: float) -> None:
        """Hold a service because it asked for a wait; a longer one that it asked for before stays."""
        wait_ms = int(min(secs, LONGEST_HOLD_SECS) * 1000)
        if self._redis.pttl(self._asked(service)) < wait_ms:
            self._redis.set(self._asked(service), "1", px=wait_ms)

    def is_asked(self, service: str) -> bool:
        """Whether the wait that the service asked for is not over."""
        return bool(self._redis.exists(self._asked(service)))

    def get(self, service: str) -> Held | None:
        """How a service is held, or None."""
        kept = {key.decode(): value.decode() for key, value in self._redis.hgetall(self._of(service)).items()}
        if not kept:
            return None
        return Held(service, int(kept["permits"]), parse_timestamp(kept["since"]), kept["why"])

    def put(self, service: str, permits: int, why: str) -> None:
        """Write down how a service is held."""
        self._redis.hsetnx(self._of(service), "since", format_timestamp(now()))
        self._redis.hset(self._of(service), mapping={"permits": permits, "why": why})

    def release(self, service: str) -> None:
        """Hold a service no longer."""
        self._redis.delete(self._of(service))

    def lead(self, name: str) -> bool:
        """Become, or stay, the one that turns the states; another one follows half a minute after its end."""
        key = f"{_KEY}:leader"
        if self._redis.set(key, name, nx=True, ex=_LEADER_SECS):
            return True
        return self._redis.get(key) == name.encode() and bool(self._redis.expire(key, _LEADER_SECS))

    def resign(self, name: str) -> None:
        """Let another one lead at once."""
        if self._redis.get(f"{_KEY}:leader") == name.encode():
            self._redis.delete(f"{_KEY}:leader")

    def _of(self, service: str) -> str:
        return f"{_KEY}:service:{service}"

    def _asked(self, service: str) -> str:
        return f"{_KEY}:asked:{service}"


class Holder:
    """Turns the states of the services, and gives their queues permits. `needs` maps queues to services."""

    def __init__(
        self,
        redis: Redis,
        needs: Mapping[str, Sequence[str]],
        probe: Probe,
        permit: Permit,
        probe_every_secs: float = PROBE_EVERY_SECS,
    ) -> None:
        self._holds, self._needs, self._probe, self._permit = Holds(redis), needs, probe, permit
        self._probe_every_secs = probe_every_secs
        services = dict.fromkeys(service for listed in needs.values() for service in listed)
        self._breakers = {service: RedisStorage(redis, service) for service in services}
        self._probed_at = dict.fromkeys(services, -probe_every_secs)
        self._seen_down = dict.fromkeys(services, False)

    def turn(self) -> None:
        """Move every service on by one step, and give each queue what its most restricted service allows."""
        permits = {service: self._turn(service) for service in self._breakers}
        for queue, services in self._needs.items():
            allowed = [count for service in services if (count := permits[service]) is not None]
            self._permit(queue, min(allowed) if allowed else None)

    def _turn(self, service: str) -> int | None:
        breaker = self._breakers[service]
        if self._holds.is_asked(service):
            return self._hold(service, 0, _ASKED)
        if breaker.state == pybreaker.STATE_OPEN and not self._is_back(service):
            return self._hold(service, 0, _DOWN)
        if breaker.state == pybreaker.STATE_HALF_OPEN:
            return self._hold(service, 1, _TRIAL)
        return self._grow(service)

    def _is_back(self, service: str) -> bool:
        """Whether an open breaker may be tried; a service that calls itself healthy but fails waits for the pause."""
        if time.monotonic() < self._probed_at[service] + self._probe_every_secs:
            return False
        self._probed_at[service] = time.monotonic()
        if not self._probe(service):
            self._seen_down[service] = True
            return False
        breaker = self._breakers[service]
        if not self._seen_down[service] and breaker.pause_left_secs() > 0:
            return False
        self._seen_down[service] = False
        breaker.state = pybreaker.STATE_HALF_OPEN
        return True

    def _grow(self, service: str) -> int | None:
        held = self._holds.get(service)
        if held is None:
            return None
        permits = max(1, held.permits * 2)
        if permits > _FREE_ABOVE:
            self._holds.release(service)
            logger.info("The queues that need %s are free again", service)
            return None
        return self._hold(service, permits, _GROWING)

    def _hold(self, service: str, permits: int, why: str) -> int:
        if self._holds.get(service) is None:
            logger.warning("The queues that need %s are held: %s", service, why)
        self._holds.put(service, permits, why)
        return permits


class Hold(_Step):
    """A step of the worker's consumer: runs a `Holder` where it leads, for the queues of `app.conf.queue_needs`."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._channel: Any = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._name = str(uuid4())

    def start(self, consumer: Any) -> None:
        """Take the new connection, and start turning; another broker than Redis holds nothing."""
        if not isinstance(consumer.task_consumer.channel, Channel):
            return
        self._channel = consumer.task_consumer.channel
        if self._thread is None:
            holder = Holder(connections.redis(), consumer.app.conf.queue_needs, probe, self._permit)
            self._thread = threading.Thread(target=self._run, args=(holder,), name="hold", daemon=True)
            self._thread.start()

    def shutdown(self, consumer: Any) -> None:
        """Let another worker lead."""
        self._stopped.set()

    def _permit(self, queue: str, permits: int | None) -> None:
        self._channel.let_through(queue, permits)

    def _run(self, holder: Holder) -> None:
        holds = Holds(connections.redis())
        while not self._stopped.wait(TURN_SECS):
            try:
                if holds.lead(self._name):
                    holder.turn()
            except (RedisError, OSError) as error:  # the last permits hold until Redis is back
                logger.warning("Holds not looked at (%s)", type(error).__name__)
        try:
            holds.resign(self._name)
        except (RedisError, OSError) as error:
            logger.warning("Another worker looks at the holds in half a minute (%s)", type(error).__name__)


def probe(service: str) -> bool:
    """Ask a service for its health, in a process that is ended when it takes too long."""
    command = [sys.executable, "-m", "memory_graph_workers.tasks.probe", service]
    try:
        # The service is one of ours, by name.
        return subprocess.run(command, timeout=_PROBE_SECS, capture_output=True, check=False).returncode == 0  # noqa: S603
    except (subprocess.TimeoutExpired, OSError):
        return False


def may_start(consumer: Any, request: Any) -> bool:
    """Whether a task that waited in this worker (a countdown) may run now; it takes one of its queue's permits."""
    channel = consumer.task_consumer.channel
    queue = str(request.delivery_info.get("routing_key") or "")
    try:
        return not isinstance(channel, Channel) or bool(cast(Any, channel).take_permit(queue))
    except (RedisError, OSError):
        return True
