"""A Registry and a Vault in one that make up any number of sessions, and count what is done with them."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from memory_graph_workers.schemas.fields import format_timestamp, now, parse_timestamp

from .http_server import FakeServer, Received, Step, answer

OLD = "2020-01-01T00:00:00Z"


class ArchivalServer(FakeServer):
    """Lists sessions, every so many of them due (`completed` or `failed`, in turn); keeps what is archived.

    A listing keeps to the hint where `honours` says so, and is refused for it where `refuses` does; else all are
    listed. `refused_sessions` never get into the vault; a request with one of `fatal_sessions`, or every POST where
    `fails_posts` says so, gets `fatal_status`.
    """

    def __init__(self, sessions: int, due_every: int, *, honours: bool = False, refuses: bool = False) -> None:
        super().__init__()
        self.sessions, self.due_every, self.honours, self.refuses = sessions, due_every, honours, refuses
        # By their producer's clock they started after they ended, by the Registry's; and after the cutoff, too.
        self.started_at = now() - timedelta(days=1)
        self.archived: set[int] = set()
        self.stored: Counter[str] = Counter()
        self.refused_sessions: set[str] = set()
        self.fatal_sessions: set[str] = set()
        self.fails_posts = False
        self.fatal_status = 500
        self.distorts: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda page, listing: listing
        self.listings = self.read = self.most_read_ahead = 0
        self._guard = threading.Lock()

    @property
    def due(self) -> range:
        """The numbers of the sessions that are due when nothing was archived yet."""
        return range(0, self.sessions, self.due_every)

    def next_step(self, received: Received) -> Step:
        """Do what is asked."""
        with self._guard:
            return self._step(received)

    def _is_shown(self, number: int, query: dict[str, str]) -> bool:
        hidden = "started_before" in query and parse_timestamp(query["started_before"]) <= self.started_at
        return self._status(number) == query["status"] and not hidden

    def _step(self, received: Received) -> Step:
        if self.fails_posts and received.method == "POST":
            return answer(self.fatal_status, {"error": "read-only file system"})
        parts = urlsplit(received.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/api/v1/sessions":
            return self._listed(query)
        if parts.path == "/api/v1/archive/batch":
            return self._store(received)
        if parts.path.startswith("/api/v1/sessions/"):
            number = int(parts.path.split("/")[4])
            if received.method == "PUT":
                self.archived.add(number)
            else:
                self.read += 1
                self.most_read_ahead = max(self.most_read_ahead, self.read - len(self.stored))
            return answer(200, self.session(number))
        return answer(201, {"policy_id": received.json["policy_id"]}) if received.method == "POST" else answer(204)

    def _listed(self, query: dict[str, str]) -> Step:
        self.listings += 1
        if self.refuses and "status" in query:
            return answer(400, {"error": "unknown parameter: status"})
        page, size = int(query.get("page", 1)), int(query["page_size"])
        shown = range(self.sessions)
        if self.honours and "status" in query:
            shown = [number for number in self.due if self._is_shown(number, query)]
        found = [self.session(number) for number in shown[(page - 1) * size : page * size]]
        listing = {"sessions": found, "total": len(shown), "page": page, "page_size": size}
        return answer(200, self.distorts(page, listing))

    def _store(self, received: Received) -> Step:
        entries = json.loads(received.body)
        if self.fatal_sessions.intersection(one["session_id"] for one in entries):
            return answer(self.fatal_status, {"error": "unsupported Unicode escape sequence"})
        kept = [one for one in entries if one["session_id"] not in self.refused_sessions]
        self.stored.update({one["session_id"] for one in kept} - self.stored.keys())
        failed = [{"session_id": one["session_id"], "error": "payload too large"} for one in entries if one not in kept]
        archived = [one["id"] for one in kept]
        return answer(200, {"archived": archived, "failed": failed, "total": len(entries), "success_count": len(kept)})

    def session(self, number: int) -> dict[str, Any]:
        """One session as the Registry lists it."""
        facts = {"session_id": str(number), "model_id": "m", "status": self._status(number)}
        return {
            **facts,
            "started_at": format_timestamp(self.started_at),
            "ended_at": OLD,
            "prompt_count": 1,
            "total_tokens": 1,
            "metadata": {},
        }

    def _status(self, number: int) -> str:
        if number in self.archived:
            return "archived"
        if number % self.due_every:
            return "active"
        return "failed" if number // self.due_every % 2 else "completed"
