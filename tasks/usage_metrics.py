"""The backlog of usage reporters as metrics of the producer's own process; needs prometheus-client (`[monitoring]`)."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .usage import UsageReporter

# Each metric's name, and what it says.
BACKLOG, BACKLOG_MAX = "mgw_reporter_backlog", "mgw_reporter_backlog_max"
MEANINGS = {
    BACKLOG: "Usage reports that wait in this process; it loses them if it is killed.",
    BACKLOG_MAX: "The most that may wait: then report blocks, and raises BacklogFull.",
}


class ReporterCollector(Collector):
    """Says how many reports wait in some reporters of this process, added up.

    Register one for the process: `REGISTRY.register(ReporterCollector(reporter))`.
    """

    def __init__(self, *reporters: UsageReporter) -> None:
        self._reporters = reporters

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count them now."""
        values = {
            BACKLOG: sum(one.backlog for one in self._reporters),
            BACKLOG_MAX: sum(one.most_waiting for one in self._reporters),
        }
        for name, value in values.items():
            yield GaugeMetricFamily(name, MEANINGS[name], value=value)
