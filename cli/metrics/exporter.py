"""What a scrape gets: a reading of Redis that is made for it, within a few seconds, whatever Redis does."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..target import Target
from .broker import FleetPart, QueuesPart, backlogs
from .families import gauges
from .reading import Server

_LONGEST_SECS = 3.0  # Prometheus waits 10 seconds for a scrape, KEDA 3 for a number


class Exporter(Collector):
    """Reads Redis when Prometheus asks. What was read before is not told again, except when that was."""

    def __init__(self, target: Target) -> None:
        self._needs = target.delivery.needs
        self._servers = [Server("broker", target.delivery.url, [FleetPart(target), QueuesPart(target)])]
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: to register it reads nothing."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read all servers at the same time."""
        deadline = time.monotonic() + _LONGEST_SECS
        running = [(server, server.reading.start()) for server in self._servers]
        samples = [sample for server, result in running for sample in server.samples(result, deadline)]
        yield from gauges([*samples, *backlogs(samples, self._needs)])

    def can_read(self) -> bool:
        """Whether every server answers."""
        deadline = time.monotonic() + _LONGEST_SECS
        running = [(server, server.ping.start()) for server in self._servers]
        return all(server.answers(result, deadline) for server, result in running)
