"""What a relay tells Prometheus: how much waits in its outbox and for how long. Needs prometheus-client."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..services.database.timeouts import health_check_timeout
from .rows import backlog_of, can_read, outbox_engine
from .running import Totals

READABLE, WAITING = "mgw_outbox_readable", "mgw_outbox_rows_waiting"
OLDEST, SENT, BURIED = "mgw_outbox_oldest_age_seconds", "mgw_outbox_rows_sent_total", "mgw_outbox_dead_letters_total"
MEANINGS = {
    READABLE: "1 if the database said within seconds what waits, else 0; the next two are left out then.",
    WAITING: "Rows that wait in the outbox; the same from every relay of a database.",
    OLDEST: "How long the oldest of them waits; 0 if none does.",
    SENT: "Rows that this relay has sent.",
    BURIED: "Rows that could not be sent, and became dead letters.",
}


class RelayMetrics(Collector):
    """Reads the outbox when Prometheus asks, over a connection of its own: the relay's may wait for the broker."""

    away = "The outbox cannot be read. Is its database up, and is OUTBOX_DATABASE_URL right? The relay's log says more."

    def __init__(self, url: str, totals: Totals) -> None:
        self._engine, self._totals = outbox_engine(url), totals
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register it reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Count what waits."""
        with health_check_timeout():
            found = backlog_of(self._engine)
        yield GaugeMetricFamily(READABLE, MEANINGS[READABLE], value=found is not None)
        if found is not None:
            yield GaugeMetricFamily(WAITING, MEANINGS[WAITING], value=found.rows)
            yield GaugeMetricFamily(OLDEST, MEANINGS[OLDEST], value=found.oldest_secs)
        yield CounterMetricFamily(SENT, MEANINGS[SENT], value=self._totals.sent)
        yield CounterMetricFamily(BURIED, MEANINGS[BURIED], value=self._totals.buried)

    def can_read(self) -> bool:
        """Whether the outbox can be read now."""
        with health_check_timeout():
            return can_read(self._engine)
