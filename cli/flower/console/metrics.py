"""`/metrics`: those of `mgw metrics`, and how Flower's own process is; none of Flower's, whose labels are anybody's."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flower.views import BaseHandler  # pyright: ignore[reportMissingTypeStubs]
from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from ...metrics.exporter import Exporter
from ...target import Target
from ...threads import Shared
from .reading import ended

_LIMIT_SECS = 6.0  # the exporter itself waits three seconds for Redis
_FLOWERS = "flower_"  # how the names of Flower's own metrics begin


class Uncounted:
    """In the place of Flower's metrics: each event could add a label to them, and anybody can publish events."""

    def observe_task(self, worker: str, event: Any, task: Any) -> None:
        """Count nothing: `mgw_task_runs_total` and its like do, by the names of the app's own tasks."""

    def observe_worker(self, worker: str, event: Any) -> None:
        """Count nothing: `mgw_workers` is what Redis says, and a worker that was killed is not there for minutes."""

    def remove_workers(self, worker_names: Any) -> int:
        """Forget nothing: return that none was known."""
        return 0


class Scrape(Collector):
    """Reads what a scrape gets, in a thread; who asks meanwhile gets the same."""

    def __init__(self, target: Target) -> None:
        disable_created_metrics()  # when each counter began: twice the text, and nobody asks
        self._ours = Exporter(target)
        self._both = CollectorRegistry(auto_describe=False)
        self._both.register(self)
        self.text = Shared(lambda: generate_latest(self._both))

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register it reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Ours, and those of the process."""
        yield from self._ours.registry.collect()
        yield from (metric for metric in REGISTRY.collect() if not metric.name.startswith(_FLOWERS))

    def hear(self) -> None:
        """Begin to count the events of tasks."""
        self._ours.events.start()


class Metrics(BaseHandler):
    """GET answers a scrape."""

    def initialize(self, scrape: Scrape) -> None:
        """Tornado hands over what is read."""
        self._scrape = scrape

    async def get(self) -> None:
        """Answer, with 503 if it takes too long."""
        running = self._scrape.text.start()
        if await ended(running, _LIMIT_SECS):
            self.set_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
            self.finish(running.result())
        else:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.finish("The metrics were not read in time.")
