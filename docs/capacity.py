"""The table of scaling.md, worked out from what `make bench` measured (benchmarks.json) and from growth.md."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEAK = 3  # times the mean of a day
DAY_SECS = 86_400
LOADS = {"1 M": 10**6, "100 M": 10**8, "1 billion": 10**9}
COLUMNS = (
    "a day",
    "a second, mean / peak",
    "messages/s",
    "Redis",
    "workers",
    "services",
    "PostgreSQL",
    "commits/s",
    "GB kept a day",
    "worked out from",
)


@dataclass(frozen=True)
class Way:
    """How work travels, and where it was measured."""

    name: str
    part: str  # of make bench
    stack: str  # of the part's processor seconds
    contender: str
    in_message: int = 1
    commits: int = 1  # that a message causes
    services: tuple[str, ...] = ("service",)


_BATCHES = Way("reports in batches", "whole-usage", "PostgreSQL", "ours, batches of 100", in_message=100)
_SINGLY = Way("reports, one a task", "whole-usage", "PostgreSQL", "ours, one a task")
_ARCHIVES = Way(
    "archives",
    "whole-archiving",
    "archiving on PostgreSQL",
    "ours, the sweep",
    in_message=100,
    commits=2,  # the vault's and the Registry's
    services=("registry", "vault", "memory-graph"),
)
_LINES = (
    *((_BATCHES, load) for load in LOADS),
    *((_SINGLY, load) for load in ("1 M", "100 M")),
    (_ARCHIVES, "100 M"),
)


def capacities() -> Iterator[list[str]]:
    """A line for each load; processors are those of its peak, in cores of the machine that was measured."""
    measured = json.loads((HERE / "benchmarks.json").read_text())
    for way, load in _LINES:
        yield _line(way, load, measured[way.part]["stacks"][way.stack][way.contender])


def _line(way: Way, load: str, secs_a_thousand: Mapping[str, float]) -> list[str]:
    peak = PEAK * LOADS[load] / DAY_SECS
    cores = {part: peak / 1000 * secs for part, secs in secs_a_thousand.items()}
    kept_bytes = 0 if way is _ARCHIVES else LOADS[load] * _bytes_of_a_report()
    return [
        f"{load} {way.name}",
        f"{_round(peak / PEAK)} / {_round(peak)}",
        _round(peak / way.in_message),
        _round(cores["Redis"]),
        _round(cores["worker"]),
        _round(sum(cores[name] for name in way.services)),
        _round(cores["PostgreSQL"]),
        _round(way.commits * peak / way.in_message),
        f"{_round(kept_bytes / 1e9)}, [growth](growth.md)" if kept_bytes else "your conversations, compressed",
        f"`{way.part}`: {way.contender}",
    ]


def _round(number: float) -> str:
    """Two digits say all that such figures can."""
    if number < 0.01:
        return "< 0.01"
    return f"{float(f'{number:.2g}'):,.10g}"


def _bytes_of_a_report() -> int:
    """What a report and its key take in PostgreSQL."""
    page = (HERE / "growth.md").read_text()
    found: Any = dict(re.findall(r"^\| `(usage_reports|usage_keys)` \|[^|]*\| (\d+) \|", page, re.MULTILINE))
    return sum(int(found[name]) for name in ("usage_reports", "usage_keys"))
