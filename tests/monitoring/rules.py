"""The rules of deploy/prometheus as tests read them, and the same with short durations."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from memory_graph_workers.cli.metrics.families import COUNTERS, GAUGES, HEARD, PREFIX
from memory_graph_workers.tasks.usage_metrics import MEANINGS as OF_REPORTERS

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "prometheus"
FILE = FOLDER / "alerts.yml"
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds to whatever it scrapes

TIMES_FASTER, SHORTEST_SECS, LONGEST_SECS = 30, 1, 5
LONGEST_RANGE_SECS = 8  # a busy machine may scrape late
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SERIES = re.compile(r"\b((?:task:)?mgw_[\w:]+|up)\b(?:\{([^}]*)\})?")


def document() -> Any:
    """The file as YAML reads it."""
    return yaml.safe_load(FILE.read_text())


def rules(read: Any) -> Iterator[dict[str, Any]]:
    """Every rule of the groups."""
    for group in read["groups"]:
        yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules(document()) if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for rule in rules(document()) if "record" in rule}


def shortened() -> str:
    """The rules with every duration, and every threshold in seconds, thirty times shorter, but a second at least.

    No `for` and no threshold is longer than five seconds then, and no range or offset longer than eight. So what an
    alert looks at stays as it is, and only the waiting is shorter: `for: 5m` becomes five seconds, `for: 1m` two,
    `[2m]` four, and a service counts as held for long after five.
    """
    read = document()
    for rule in rules(read):
        for name in ("for", "keep_firing_for"):
            if name in rule:
                rule[name] = f"{_shorter(secs_of(rule[name]))}s"
        expr = re.sub(
            r"(\[|offset )(\d+[smhd])", lambda found: f"{found[1]}{_shorter(secs_of(found[2]))}s", rule["expr"]
        )
        rule["expr"] = re.sub(r"(_seconds > )(\d+)", lambda found: f"{found[1]}{_shorter(int(found[2]))}", expr)
    return yaml.safe_dump(read)


def secs_of(duration: str) -> int:
    """The seconds of a duration as Prometheus writes it."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _shorter_range(found: re.Match[str]) -> str:
    return f"{found[1]}{_shorter(secs_of(found[2]), LONGEST_RANGE_SECS)}s"


def _shorter_threshold(found: re.Match[str]) -> str:
    return f"{found[1]}{_shorter(int(found[2]))}"


def _shorter(secs: int, longest_secs: int = LONGEST_SECS) -> int:
    return min(max(secs // TIMES_FASTER, SHORTEST_SECS), longest_secs)


def series() -> dict[str, set[str]]:
    """Every series that there can be, with the names of its labels."""
    heard = {name: labels for name, (labels, _) in HEARD.items()}
    histogram = heard.pop("task_duration_seconds")
    named = {
        **{name: labels for name, (labels, _) in GAUGES.items()},
        **{f"{name}_total": labels for name, (labels, _) in COUNTERS.items()},
        **{f"{name}_total": labels for name, labels in heard.items()},
        **{f"task_duration_seconds_{part}": histogram for part in ("sum", "count")},
        "task_duration_seconds_bucket": (*histogram, "le"),
    }
    ours = {f"{PREFIX}{name}": set(labels) for name, labels in named.items()}
    return {"up": set[str](), **ours, **{name: set[str]() for name in OF_REPORTERS}}


def used(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Every series of an expression, with the labels that select it; a recorded one gives way to its own."""
    for name, selected in _SERIES.findall(expr):
        if name in RECORDED:
            yield from used(RECORDED[name])
        else:
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected))


def grouped(expr: str) -> set[str]:
    """The labels that an expression groups or matches by."""
    found = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expr)
    return {label for part in found for label in re.findall(r"\w+", part)}
