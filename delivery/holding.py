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
Nothing but an answer ends HELD, and TRIAL always lets a task through, so that no state waits for itself.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

import pybreaker
from celery import bootsteps
from celery.utils.log import get_logger
from redis import Redis
from redis.exceptions import RedisError

from ..clients.breaker import RedisStorage
from ..tasks import connections
from .holds import Holds
from .transport import Channel

TURN_SECS = 1.0
PROBE_EVERY_SECS = 5.0
_PROBE_SECS = 10.0
_FREE_ABOVE = 64
_DOWN, _TRIAL, _GROWING, _ASKED = "it is down", "it is being tried", "it is coming back", "it asked to wait"

_Step: Any = bootsteps.StartStopStep
Probe = Callable[[str], bool | None]
Permit = Callable[[str, "int | None"], None]

logger = get_logger(__name__)


class Holder:
    """Turns the states of the services, and gives their queues permits. `needs` maps queues to services."""

    def __init__(self, redis: Redis, needs: Mapping[str, Sequence[str]], probe: Probe, permit: Permit) -> None:
        self._holds, self._needs, self._probe, self._permit = Holds(redis), needs, probe, permit
        services = dict.fromkeys(service for listed in needs.values() for service in listed)
        self._breakers = {service: RedisStorage(redis, service) for service in services}
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
        if breaker.state == pybreaker.STATE_OPEN:
            # One that is back gets its trial in the next turn: by then gRPC has connected again in every process.
            return self._hold(service, 0, _TRIAL if self._is_back(service) else _DOWN)
        self._seen_down[service] = False
        if breaker.state == pybreaker.STATE_HALF_OPEN:
            return self._hold(service, 1, _TRIAL)
        return self._grow(service)

    def _is_back(self, service: str) -> bool:
        """Whether an open breaker may be tried; a service that calls itself healthy but fails waits for the pause."""
        healthy = self._probe(service)
        if not healthy:
            self._seen_down[service] |= healthy is False
            return False
        breaker = self._breakers[service]
        if not self._seen_down[service] and breaker.pause_left_secs() > 0:
            return False
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


class Probes:
    """Asks services for their health, each in a process that is ended when it takes too long."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[subprocess.Popen[bytes] | None, float]] = {}

    def ask(self, service: str) -> bool | None:
        """Whether a service is healthy; None where it has not answered yet, or was asked a moment ago."""
        process, since = self._asked.get(service, (None, -PROBE_EVERY_SECS))
        age_secs = time.monotonic() - since
        if process is None:
            if age_secs >= PROBE_EVERY_SECS:
                self._asked[service] = (_started(service), time.monotonic())
            return None
        if process.poll() is None and age_secs < _PROBE_SECS:
            return None
        self._asked[service] = (None, since)
        return _ended(process) == 0

    def stop(self) -> None:
        """End those that are under way."""
        for process, _ in self._asked.values():
            if process is not None:
                _ended(process)
        self._asked.clear()


def _started(service: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "memory_graph_workers.tasks.probe", service]
    # The service is one of ours, by name.
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """How a process has ended; one that runs still is ended."""
    if process.poll() is None:
        process.kill()
    return process.wait()


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
            needs = consumer.app.conf.queue_needs
            self._thread = threading.Thread(target=self._run, args=(needs,), name="hold", daemon=True)
            self._thread.start()

    def shutdown(self, consumer: Any) -> None:
        """Let another worker lead."""
        self._stopped.set()

    def _permit(self, queue: str, permits: int | None) -> None:
        self._channel.let_through(queue, permits)

    def _run(self, needs: Mapping[str, Sequence[str]]) -> None:
        holds, probes = Holds(connections.redis()), Probes()
        holder = Holder(connections.redis(), needs, probes.ask, self._permit)
        while not self._stopped.wait(TURN_SECS):
            try:
                if holds.lead(self._name):
                    holder.turn()
            except (RedisError, OSError) as error:  # the last permits hold until Redis is back
                logger.warning("Holds not looked at (%s)", type(error).__name__)
        probes.stop()
        try:
            holds.resign(self._name)
        except (RedisError, OSError) as error:
            logger.warning("Another worker looks at the holds in half a minute (%s)", type(error).__name__)


def may_start(consumer: Any, request: Any) -> bool:
    """Whether a task that waited in this worker (a countdown) may run now.

    One that was taken before the hold needs a permit; one that cost a permit when it was taken needs no second one,
    else it would go back for ever while there is but one a second.
    """
    channel, delivery = consumer.task_consumer.channel, request.message.delivery_info
    try:
        if not isinstance(channel, Channel):
            return True
        return cast(Any, channel).may_start(str(delivery.get("routing_key") or ""), bool(delivery.get("permitted")))
    except (RedisError, OSError):
        return True
