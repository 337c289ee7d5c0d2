"""What was sent, by the producers' ledgers, and what came of it, by the services' databases and by nothing else."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

_USAGES = (
    "SELECT session_id, usage_reports.details FROM usage_reports JOIN sessions ON sessions.number = session_number"
)


@dataclass
class Sent:
    """What the broker acknowledged: reports by their number, and conversations with how many reports each has."""

    reports: set[str] = field(default_factory=set[str])
    sessions: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, ledgers: Iterable[Path], since: float = 0.0) -> "Sent":
        """Read ledgers, from a time of the monotonic clock on; a line that is still being written waits."""
        sent = cls()
        for ledger in ledgers:
            for line in ledger.read_text().splitlines(keepends=True) if ledger.exists() else ():
                if line.endswith("\n"):
                    sent._add(json.loads(line), since)
        return sent

    def _add(self, line: dict[str, Any], since: float) -> None:
        if line["at"] < since:
            return
        if "report" in line:
            self.reports.add(line["report"])
        else:
            self.sessions[line["session"]] = line["usages"]

    @property
    def effects(self) -> int:
        """How many effects there must be: each report counted, each conversation archived and marked."""
        return len(self.reports) + sum(self.sessions.values()) + len(self.sessions)


@dataclass(frozen=True)
class Effects:
    """Usage reports by their number and by session, archives by session, the status of each session."""

    reports: Counter[str]
    usages: Counter[str]
    archives: Counter[str]
    statuses: dict[str, str]

    @classmethod
    def of(cls, registry: str, vault: str) -> "Effects":
        """Read the databases at these addresses."""
        usages = _rows(registry, _USAGES)
        return cls(
            Counter(json.loads(details).get("number", "") for _, details in usages),
            Counter(session_id for session_id, _ in usages),
            Counter(session_id for (session_id,) in _rows(vault, "SELECT session_id FROM archives")),
            dict(_rows(registry, "SELECT session_id, status FROM sessions")),
        )

    def lost(self, sent: Sent) -> int:
        """How many effects of what was acknowledged are missing."""
        reports = sum(not self.reports[number] for number in sent.reports)
        usages = sum(max(0, wanted - self.usages[one]) for one, wanted in sent.sessions.items())
        unarchived = sum(not self.archives[one] or self.statuses.get(one) != "archived" for one in sent.sessions)
        return reports + usages + unarchived

    def twice(self, sent: Sent) -> int:
        """How many effects of it there are beyond the one of each."""
        reports = sum(max(0, self.reports[number] - 1) for number in sent.reports)
        usages = sum(max(0, self.usages[one] - wanted) for one, wanted in sent.sessions.items())
        return reports + usages + sum(max(0, self.archives[one] - 1) for one in sent.sessions)


def newest_reports(registry: str, number: int = 300) -> set[str]:
    """The numbers of the reports that were counted last."""
    rows = _rows(registry, f"SELECT details FROM usage_reports ORDER BY number DESC LIMIT {number}")
    return {json.loads(details).get("number", "") for (details,) in rows}


def unarchived(registry: str) -> int:
    """How many sessions are due: all are, once they are completed."""
    return int(_rows(registry, "SELECT count(*) FROM sessions WHERE status = 'completed'")[0][0])


def _rows(database: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database, connect_timeout=5) as connection:
        return connection.execute(query.encode()).fetchall()
