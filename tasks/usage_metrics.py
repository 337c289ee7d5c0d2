"""The backlog of usage reporters as metrics of the producer's own process; needs prometheus-client (`[monitoring]`)."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .usage import UsageReporter

# Each metric's name, and what it says.
BACKLOG, BACKLOG_MAX, DROPPED = "mgw_reporter_backlog", "mgw_reporter_backlog_max", "mgw_reporter_dropped_total"
MEANINGS = {
    BACKLOG: "Usage reports that wait in this process; it loses them if it is killed.",
    BACKLOG_MAX: "The most that may wait: then report blocks and raises BacklogFull, or drops what it gets.",
    DROPPED: "Usage reports that found no room and were dropped: when_full of the reporter says so.",
}


class ReporterCollector(Collector):
    """Says how many reports wait in some reporters of this process, added up.

    Register one for the process: `REGISTRY.register(ReporterCollector(reporter))`.
    """

    def __init__(self, *reporters: UsageReporter) -> None:
        self._reporters = reporters

    def collect(self) -> Iterator[Metric]:
        """Count them now."""
        waiting, most, dropped = (
            sum(getattr(one, name) for one in self._reporters) for name in ("backlog", "most_waiting", "dropped")
        )
        yield GaugeMetricFamily(BACKLOG, MEANINGS[BACKLOG], value=waiting)
        yield GaugeMetricFamily(BACKLOG_MAX, MEANINGS[BACKLOG_MAX], value=most)
        yield CounterMetricFamily(DROPPED, MEANINGS[DROPPED], value=dropped)
