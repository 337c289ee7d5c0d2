"""What a scrape gets: a reading of Redis that is made for it, within a few seconds, whatever Redis does."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ..readings.broker import backlogs
from ..readings.samples import Sample
from ..readings.servers import known_tasks, read, servers_of
from ..target import Target
from .events import EventStream, TaskEvents
from .families import families

_LONGEST_SECS = 3.0  # Prometheus waits 10 seconds for a scrape, KEDA 3 for a number


class Exporter(Collector):
    """Reads Redis when Prometheus asks. What was read before is not told again, except when that was."""

    away = "Redis does not answer. Is it up, and is its address (REDIS_URL) right?"

    def __init__(self, target: Target) -> None:
        tasks = known_tasks(target)  # no other name is a label
        self._needs = target.delivery.needs
        self._servers = servers_of(target, tasks)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        self.events = EventStream(target, TaskEvents(self.registry, tasks))

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register it reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read all servers at the same time."""
        said = read(self._servers, _LONGEST_SECS)
        samples = [one for each in said.values() for one in each if isinstance(one, Sample)]
        connected = Sample("events_connected", self.events.is_connected)
        yield from families([*samples, *backlogs(samples, self._needs), connected])

    def can_read(self) -> bool:
        """Whether every server answers."""
        deadline = time.monotonic() + _LONGEST_SECS
        running = [(server, server.ping.start()) for server in self._servers]
        return all(server.answers(result, deadline) for server, result in running)
