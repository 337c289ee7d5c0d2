"""What the dashboard shows: its rows and panels, each with its expressions."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Panel:
    """What is shown: expressions by their legends. In an expression, SEL selects the exporters that are chosen."""

    title: str
    says: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """The text and the colour of each value."""


_HELD = {0: ("free", "green"), 1: ("held", "orange")}
_YES = {0: ("no", "red"), 1: ("yes", "green")}

ROWS: dict[str, list[Panel]] = {
    "What waits, and since when": [
        Panel(
            "Oldest message",
            "How long the oldest of the next messages waits, held queues included.",
            {"{{queue}}": "max by (queue) (mgw_queue_oldest_age_seconds{SEL})"},
            "s",
        ),
        Panel(
            "Waiting",
            "Messages on each queue.",
            {"{{queue}}": "max by (queue) (mgw_queue_messages_waiting{SEL})"},
        ),
        Panel(
            "In flight",
            "Messages that a worker has taken and not yet acknowledged, and those whose worker is gone.",
            {
                "{{queue}}": "max by (queue) (mgw_queue_messages_in_flight{SEL})",
                "of no known queue": "max(mgw_messages_in_flight_unknown{SEL})",
                "of dead workers": "max(mgw_messages_abandoned{SEL})",
            },
        ),
        Panel(
            "Countdowns, and messages without a date",
            "Countdowns wait in Redis until they are due. Messages without sent_at have no age.",
            {
                "countdowns": "max(mgw_messages_scheduled{SEL})",
                "without a date: {{queue}}": "max by (queue) (mgw_queue_messages_undated{SEL})",
            },
        ),
        Panel(
            "Backlog to scale workers by",
            "Waiting and in flight; 0 while the queue is held.",
            {"{{queue}}": "max by (queue) (mgw_queue_backlog{SEL})"},
        ),
        Panel(
            "Reports that wait in producers",
            "Only of producers that export it: see docs/producers.md. At the bound their calls block.",
            {
                "{{instance}}": "sum by (instance) (mgw_reporter_backlog)",
                "bound of {{instance}}": "sum by (instance) (mgw_reporter_backlog_max)",
            },
        ),
    ],
    "What is held, and why": [
        Panel(
            "Queues",
            "Held: no message is taken, or only some a second.",
            {"{{queue}}": "max by (queue) (mgw_queue_held{SEL})"},
            kind="state-timeline",
            names=_HELD,
        ),
        Panel(
            "Circuit breakers",
            "Open: calls fail at once. Half-open: one call at a time is tried.",
            {
                "{{service}}": 'max by (service) (mgw_breaker_state{SEL,state="half-open"})'
                ' + 2 * max by (service) (mgw_breaker_state{SEL,state="open"})'
                ' + 3 * max by (service) (mgw_breaker_state{SEL,state="other"})'
            },
            kind="state-timeline",
            names={0: ("closed", "green"), 1: ("half-open", "orange"), 2: ("open", "red"), 3: ("unknown", "text")},
        ),
        Panel(
            "Held for, and why",
            "How long each service has been held, with the cause.",
            {
                "{{service}}: {{cause}}": "max by (service) (mgw_service_held_seconds{SEL})"
                " * on (service) group_right () max by (service, cause) (mgw_service_hold_cause{SEL} == 1)"
            },
            "s",
        ),
        Panel(
            "Permits",
            "Messages a second that services may be asked for, while they are held or come back.",
            {"{{service}}": "max by (service) (mgw_service_permits{SEL})"},
        ),
        Panel(
            "Held for their dead letters",
            "Only with DEAD_LETTERS_WHEN_FULL=hold: these queues stand until somebody replays or purges.",
            {"{{queue}}": "max by (queue) (mgw_queue_full{SEL})"},
            kind="state-timeline",
            names={0: ("no", "green"), 1: ("held", "red")},
        ),
        Panel(
            "Decided by a person",
            "By mgw queues hold and release, and by mgw sweeps pause: until a person ends it.",
            {
                "{{queue}}": "max by (queue) (mgw_queue_held_by_person{SEL})"
                " + 2 * max by (queue) (mgw_queue_released_by_person{SEL})",
                "sweeps": "max(mgw_sweeps_paused{SEL})",
            },
            kind="state-timeline",
            names={0: ("no", "green"), 1: ("held", "orange"), 2: ("kept free", "purple")},
        ),
    ],
    "Failures and dead letters": [
        Panel(
            "Attempts that did not succeed",
            "Attempts a second that failed, were retried, rejected or revoked, by task.",
            {
                "{{task}}: {{outcome}}": "sum by (task, outcome)"
                ' (rate(mgw_task_runs_total{SEL,outcome!="succeeded"}[$__rate_interval])) > 0'
            },
            "cps",
        ),
        Panel(
            "Dead letters by task and reason",
            "What failed for good, and waits for somebody.",
            {"": 'max by (task, reason) (mgw_dead_letters{SEL,pot="failures"}) > 0'},
            kind="table",
        ),
        Panel(
            "Share of the bounds",
            "At 1 the oldest letters of the largest group are dropped.",
            {
                "number: {{pot}}": "max by (pot) (sum without (task, reason) (mgw_dead_letters{SEL})"
                " / mgw_dead_letters_max{SEL})",
                "bytes: {{pot}}": "max by (pot) (mgw_dead_letters_bytes{SEL} / mgw_dead_letters_max_bytes{SEL})",
            },
            "percentunit",
        ),
        Panel(
            "Quarantine",
            "Messages that are no tasks, by reason.",
            {"{{reason}}": 'max by (reason) (mgw_dead_letters{SEL,pot="quarantine"})'},
        ),
        Panel(
            "Dropped: lost work",
            "Dead letters that gave way at a bound.",
            {"{{pot}}": "max by (pot) (mgw_dead_letters_dropped{SEL})"},
        ),
        Panel(
            "Usage reports",
            "Reports a second that the Registry accepted, and that failed for good.",
            {"{{outcome}}": "max by (outcome) (rate(mgw_usage_reports_total{SEL}[$__rate_interval]))"},
            "cps",
        ),
    ],
    "Sweeps": [
        Panel(
            "State of the newest sweep",
            "Running, completed or incomplete.",
            {"{{status}}": "max by (status) (mgw_sweep_status{SEL})"},
            kind="state-timeline",
            names={0: ("no", "text"), 1: ("yes", "blue")},
        ),
        Panel(
            "Its sessions",
            "Archived, failed, skipped or still pending; listed is their sum.",
            {
                "{{outcome}}": "max by (outcome) (mgw_sweep_sessions{SEL})",
                "listed": "max(mgw_sweep_sessions_listed{SEL})",
            },
        ),
        Panel(
            "Its age, and its batches in flight",
            "Since it began; batches without a result.",
            {
                "age in hours": "max(mgw_sweep_age_seconds{SEL}) / 3600",
                "batches": "max(mgw_sweep_batches_in_flight{SEL})",
            },
        ),
    ],
    "Workers, beat and Redis": [
        Panel(
            "Workers, beats and replicas of Redis",
            "A worker or beat that was killed is gone from here within ten seconds.",
            {
                "workers": "max(mgw_workers{SEL})",
                "beats": "max(mgw_beats{SEL})",
                "replicas of {{server}}": "max by (server) (mgw_redis_replicas{SEL})",
            },
        ),
        Panel(
            "Beat has its lock",
            "Without it nothing is sent on schedule.",
            {"lock": "max(mgw_beat_lock_held{SEL})"},
            kind="state-timeline",
            names=_YES,
        ),
        Panel(
            "Redis answers, and is a primary",
            "A replica takes no messages.",
            {
                "{{server}} answers": "max by (server) (mgw_redis_up{SEL})",
                "{{server}} is a primary": "max by (server) (mgw_redis_primary{SEL})",
            },
            kind="state-timeline",
            names=_YES,
        ),
        Panel(
            "Memory of Redis",
            "When it is full, Redis refuses what is new. No line for the most: no limit is set.",
            {
                "{{server}}": "max by (server) (mgw_redis_memory_bytes{SEL})",
                "most of {{server}}": "max by (server) (mgw_redis_memory_max_bytes{SEL}) > 0",
            },
            "bytes",
        ),
        Panel(
            "What the exporter reads",
            "A part that cannot be read is left out of all other panels. Without events, attempts are not counted.",
            {
                "{{part}} ({{server}})": "min by (part, server) (mgw_part_readable{SEL})",
                "events": "min(mgw_events_connected{SEL})",
            },
            kind="state-timeline",
            names=_YES,
        ),
        Panel(
            "How long the exporter reads",
            "And how long ago Redis answered it last.",
            {
                "reading {{server}}": "max by (server) (mgw_read_seconds{SEL})",
                "since {{server}} answered": "time() - max by (server) (mgw_last_read_timestamp_seconds{SEL})",
            },
            "s",
        ),
    ],
    "Durations": [
        Panel(
            "Half of the attempts took less than",
            "Of attempts that succeeded, by task.",
            {
                "{{task}}": "histogram_quantile(0.5, sum by (task, le)"
                " (rate(mgw_task_duration_seconds_bucket{SEL}[$__rate_interval])))"
            },
            "s",
        ),
        Panel(
            "95 of 100 attempts took less than",
            "Of attempts that succeeded, by task.",
            {
                "{{task}}": "histogram_quantile(0.95, sum by (task, le)"
                " (rate(mgw_task_duration_seconds_bucket{SEL}[$__rate_interval])))"
            },
            "s",
        ),
        Panel(
            "Attempts that began",
            "A second, by task.",
            {"{{task}}": "sum by (task) (rate(mgw_task_starts_total{SEL}[$__rate_interval])) > 0"},
            "cps",
        ),
    ],
}
