"""What happened, read from outside: the services' databases, and nothing of ours."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Effects:
    """Usage reports by their number, archives by session, the status of each session."""

    usage: Counter[int]
    archives: Counter[str]
    statuses: dict[str, str]

    @classmethod
    def of(cls, home: Path) -> "Effects":
        """Read the databases in `home`, without writing."""
        usage = _rows(home / "registry.db", "SELECT details FROM usage_reports")
        archives = _rows(home / "vault.db", "SELECT session_id FROM archives")
        statuses = _rows(home / "registry.db", "SELECT session_id, status FROM sessions")
        return cls(
            Counter(json.loads(details)["number"] for (details,) in usage),
            Counter(session_id for (session_id,) in archives),
            dict(statuses),
        )

    def lost(self, reports: Iterable[int], sessions: Iterable[str]) -> int:
        """How many reports are not counted, and how many sessions are not archived and marked."""
        missing = [number for number in reports if not self.usage[number]]
        unarchived = [one for one in sessions if not self.archives[one] or self.statuses.get(one) != "archived"]
        return len(missing) + len(unarchived)

    def twice(self, reports: Iterable[int], sessions: Iterable[str]) -> int:
        """How many effects there are beyond the one of each, whoever made them."""
        expected = len(set(reports) & self.usage.keys()) + len(set(sessions) & self.archives.keys())
        return self.usage.total() + self.archives.total() - expected


def _rows(database: Path, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query).fetchall()
