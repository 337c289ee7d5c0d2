"""What the answering server says: a Registry and a Vault that make everything up, session by session."""

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

OLD, NEW = "2024-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"
EVERY = 100  # one session in so many is due


class Listing:
    """Sessions that exist only while they are asked for: `many`, one in a hundred due."""

    def __init__(self, many: int, *, honours_hints: bool, all_due: bool) -> None:
        self.many, self.honours_hints, self.every = many, honours_hints, 1 if all_due else EVERY
        self.archived: set[int] = set()
        self.listed: list[float] = []  # when a page was asked for
        self.times_archived: list[float] = []

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """One page; where hints are honoured, of the sessions with the status alone."""
        self.listed.append(time.monotonic())
        size, number = int(query.get("page_size", ["50"])[0]), int(query.get("page", ["1"])[0])
        first = (number - 1) * size
        if self.honours_hints and "status" in query:
            completed = range(0, self.many, self.every) if query["status"] == ["completed"] else []
            due = [one for one in completed if one not in self.archived]
            total, numbers = len(due), due[first : first + size]
        else:
            total, numbers = self.many, range(first, min(first + size, self.many))
        return {"sessions": [self.session(one) for one in numbers], "total": total, "page": number}

    def session(self, number: int) -> dict[str, Any]:
        """A session as the Registry tells of it."""
        due = number % self.every == 0
        status = "archived" if number in self.archived else "completed" if due else "active"
        return {
            "session_id": f"session-{number:08}",
            "model_id": "small-model",
            "started_at": OLD if due else NEW,
            "ended_at": OLD if due else None,
            "status": status,
            "prompt_count": 2,
            "total_tokens": 1200,
            "metadata": {},
        }

    def archive(self, number: int) -> None:
        """Take note that a session was marked."""
        if number not in self.archived:
            self.archived.add(number)
            self.times_archived.append(time.monotonic())


def answer(listing: Listing, method: bytes, target: str, body: bytes) -> tuple[int, bytes]:
    """The status and the body for one request."""
    if target == "/api/v1/usage":
        return 204, b""
    found = _answer(listing, method.decode(), target, body)
    return 200, json.dumps(found).encode()


def _answer(listing: Listing, method: str, target: str, body: bytes) -> Any:
    parts = urlsplit(target)
    names = parts.path.strip("/").split("/")[2:]
    match method, names:
        case "GET", ["sessions"]:
            return listing.page(parse_qs(parts.query))
        case "GET", ["sessions", session_id]:
            return listing.session(_number(session_id))
        case "PUT", ["sessions", session_id, "status"]:
            listing.archive(_number(session_id))
            return listing.session(_number(session_id))
        case "POST", ["archive"]:
            entry = json.loads(body)
            named = {"archive_id": entry["id"], "session_id": entry["session_id"]}
            return {**named, "status": "archived", "archived_at": OLD}
        case "POST", ["archive", "batch"]:
            ids = [entry["id"] for entry in json.loads(body)]
            return {"archived": ids, "total": len(ids), "success_count": len(ids), "failed": []}
        case "POST", ["policies"]:
            return {"policy_id": json.loads(body)["policy_id"]}
        case _:
            return {}


def _number(session_id: str) -> int:
    return int(session_id.rpartition("-")[2])
