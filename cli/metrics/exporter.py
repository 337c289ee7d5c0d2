"""What a scrape gets: a reading of Redis that is made for it, within a few seconds, whatever Redis does."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ..target import Target
from .broker import FleetPart, QueuesPart, backlogs
from .events import EventStream, TaskEvents
from .families import Sample, families
from .reading import Part, Server
from .state import BeatPart, ByHandPart, LettersPart, RedisPart, ServicesPart, SweepsPart, UsagePart

_LONGEST_SECS = 3.0  # Prometheus waits 10 seconds for a scrape, KEDA 3 for a number


class Exporter(Collector):
    """Reads Redis when Prometheus asks. What was read before is not told again, except when that was."""

    def __init__(self, target: Target) -> None:
        target.app.loader.import_default_modules()
        tasks = {name for name in target.app.tasks if not name.startswith("celery.")}  # no other name is a label
        self._needs = target.delivery.needs
        self._servers = [
            Server("broker", target.delivery.url, [RedisPart("broker"), FleetPart(target), QueuesPart(target)]),
            Server("state", target.delivery.state_url, [RedisPart("state"), *_of_state(target, tasks)]),
        ]
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        self.events = EventStream(target, TaskEvents(self.registry, tasks))

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register it reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read all servers at the same time."""
        deadline = time.monotonic() + _LONGEST_SECS
        running = [(server, server.reading.start()) for server in self._servers]
        samples = [sample for server, result in running for sample in server.samples(result, deadline)]
        connected = Sample("events_connected", self.events.is_connected)
        yield from families([*samples, *backlogs(samples, self._needs), connected])

    def can_read(self) -> bool:
        """Whether every server answers."""
        deadline = time.monotonic() + _LONGEST_SECS
        running = [(server, server.ping.start()) for server in self._servers]
        return all(server.answers(result, deadline) for server, result in running)


def _of_state(target: Target, tasks: set[str]) -> list[Part]:
    keys, bounds = target.delivery.keys, target.delivery.bounds
    parts: list[Part] = [
        ServicesPart(target),
        ByHandPart(target),
        LettersPart("failures", keys.failures, bounds, tasks),
        LettersPart("quarantine", keys.quarantine, bounds.of_quarantine, tasks),
    ]
    return [*parts, SweepsPart(), BeatPart(), UsagePart()] if target.is_ours else parts
