"""Every metric that we export, in one place: its name, its labels and what it says."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ..readings.samples import Sample

PREFIX = "mgw_"


# A gauge's name, its labels, and what it says.
GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    "redis_up": (("server",), "1 if Redis answered this scrape, else 0; nothing else is then said of what is in it."),
    "last_read_timestamp_seconds": (("server",), "When Redis answered a scrape last."),
    "part_readable": (
        ("server", "part"),
        "0 if a key of this part is of another kind or may not be read, else 1.",
    ),
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
    "queue_messages_undated": (("queue",), "Of the next messages (3 of each priority), those without a time."),
    "queue_held": (("queue",), "1 while the queue is held, or released step by step, else 0."),
    "queue_permits": (("queue",), "How many messages may be taken now; there only while the queue is limited."),
    "messages_in_flight_unknown": (
        (),
        "In-flight messages of no known queue: of an older worker, or another app.",
    ),
    "messages_abandoned": ((), "Messages that are in flight with workers that are gone, and not yet redelivered."),
    "messages_scheduled": ((), "Messages that wait in Redis for a countdown."),
    "queue_full": (("queue",), "1 while the queue is held because its dead letters fill up, else 0."),
    "queue_held_by_person": (("queue",), "1 while a person holds the queue, whatever else holds it, else 0."),
    "queue_released_by_person": (("queue",), "1 while a person keeps the queue free, whatever else holds it, else 0."),
    "service_held": (
        ("service",),
        "1 while its queues are held or released step by step, else 0.",
    ),
    "service_hold_cause": (
        ("service", "cause"),
        "1 for why it is held: down, trial, growing, asked or other.",
    ),
    "service_permits": (("service",), "Messages a second that may be taken; there only while the service is held."),
    "service_held_seconds": (("service",), "How long the service is held by now; there only while it is."),
    "breaker_state": (
        ("service", "state"),
        "1 for its circuit breaker's state: closed, half-open, open or other.",
    ),
    "dead_letters": (("pot", "task", "reason"), "Dead letters, of failures or in quarantine; other for unknown tasks."),
    "dead_letters_bytes": (("pot",), "Bytes that these dead letters have together."),
    "dead_letters_max": (("pot",), "Dead letters that may be kept."),
    "dead_letters_max_bytes": (("pot",), "Bytes that they may have together."),
    "dead_letters_dropped": (
        ("pot",),
        "Dead letters that were dropped at a bound: lost work. Forgotten in time.",
    ),
    "sweeps_paused": ((), "1 while sweeps are paused, else 0."),
    "sweep_status": (("status",), "1 for the state of the newest sweep: running, completed or incomplete."),
    "sweep_age_seconds": ((), "Time since the newest sweep began."),
    "sweep_sessions_listed": ((), "Sessions that the newest sweep has listed to archive."),
    "sweep_sessions": (("outcome",), "What became of them: archived, failed or skipped, or still pending."),
    "sweep_batches_in_flight": ((), "Batches of the newest sweep without a result."),
    "beat_lock_held": ((), "1 while a beat has the lock, else 0: then nothing is sent on schedule."),
    "beats": ((), "Beats that are there: the one with the lock, and those that wait for it."),
    "redis_memory_bytes": (("server",), "Memory that Redis uses."),
    "redis_memory_max_bytes": (("server",), "The most that it may use; 0 for no limit."),
    "redis_primary": (("server",), "1 if the server is a primary, 0 if it is a replica, which takes no messages."),
    "redis_replicas": (("server",), "Replicas that are connected to it."),
    "events_connected": ((), "1 while events of workers are heard, else 0: tasks are not counted then."),
    "workers": ((), "Workers that said within the last 9 seconds that they are there."),
}


# Counters that Redis keeps; those of the event stream are in events.py.
COUNTERS: dict[str, tuple[tuple[str, ...], str]] = {
    "usage_reports": (("outcome",), "Usage reports that the Registry accepted, and that failed for good."),
}


# What is counted of events in this process, from its start on.
HEARD: dict[str, tuple[tuple[str, ...], str]] = {
    "task_runs": (
        ("task", "outcome"),
        "Attempts that ended: succeeded, failed, retried, rejected or revoked.",
    ),
    "task_starts": (("task",), "Attempts that began."),
    "task_duration_seconds": (("task",), "How long attempts took that succeeded; a histogram."),
}


def families(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    """The samples by their metrics; one without a sample is left out."""
    found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
    for sample in samples:
        family = found.setdefault(sample.name, _family(sample.name))
        family.add_metric(sample.labels, sample.value)
    yield from found.values()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    kind, table = (CounterMetricFamily, COUNTERS) if name in COUNTERS else (GaugeMetricFamily, GAUGES)
    labels, meaning = table[name]
    return kind(PREFIX + name, meaning, labels=labels)
