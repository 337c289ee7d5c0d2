"""Every metric that we export, in one place: its name, its labels and what it says."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily

PREFIX = "mgw_"


class Sample(NamedTuple):
    """One value of a gauge; `labels` in the order of its row in `GAUGES`."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


# A gauge's name, its labels, and what it says.
GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    "redis_up": (("server",), "1 if Redis answered this scrape, else 0; nothing else is then said of what is in it."),
    "last_read_timestamp_seconds": (("server",), "When Redis answered a scrape last."),
    "part_readable": (("part",), "0 if a key of this part holds data of another kind, or may not be read, else 1."),
    "read_seconds": (("server",), "How long it took to read Redis for this scrape."),
    "queue_backlog": (
        ("queue",),
        "Messages that wait or are in flight; 0 while the queue is held. To scale workers by.",
    ),
    "queue_messages_waiting": (("queue",), "Messages that wait on the queue, of every priority."),
    "queue_messages_in_flight": (("queue",), "Messages that a worker has taken and not yet acknowledged."),
    "queue_oldest_age_seconds": (
        ("queue",),
        "How long the oldest of the next messages waits, since it was sent or its countdown was over; 0 if none waits.",
    ),
    "queue_messages_undated": (
        ("queue",),
        "How many of the next messages (3 of each priority) do not say when they were sent.",
    ),
    "queue_held": (("queue",), "1 while the queue is held, or released step by step, else 0."),
    "queue_permits": (("queue",), "How many messages may be taken now; there only while the queue is limited."),
    "messages_in_flight_unknown": (
        (),
        "In-flight messages of no known queue: of an older worker, or another app.",
    ),
    "messages_abandoned": ((), "Messages that are in flight with workers that are gone, and not yet redelivered."),
    "messages_scheduled": ((), "Messages that wait in Redis for a countdown."),
    "workers": ((), "Workers that said within the last 9 seconds that they are there."),
}


def gauges(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily]:
    """The samples by their gauges; a gauge without a sample is left out."""
    families: dict[str, GaugeMetricFamily] = {}
    for sample in samples:
        labels, meaning = GAUGES[sample.name]
        family = families.setdefault(sample.name, GaugeMetricFamily(PREFIX + sample.name, meaning, labels=labels))
        family.add_metric(sample.labels, sample.value)
    yield from families.values()
