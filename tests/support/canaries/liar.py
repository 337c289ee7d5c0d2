"""Registry and Vault in one, which quote words of their own in every refusal, header and odd answer."""

import re
from collections.abc import Callable
from typing import Any

from support.fakes.http_server import JSON_HEADERS, FakeServer, Received, Step, answer, cut_after, hang, whole

DUE = ("told", "graph-INTERNAL", "graph-FAILED_PRECONDITION", "graph-UNIMPLEMENTED")


class Liar(FakeServer):
    """Answers as the id `answer-<kind>` in path or body says; lists the sessions `DUE`."""

    def __init__(self, plant: Callable[[str], str]) -> None:
        super().__init__()
        self.body, self.head, self.reason, self.listed = map(
            plant, ("error-body", "error-header", "batch-reason", "listed-metadata")
        )

    def next_step(self, received: Received) -> Step:
        super().next_step(received)
        asked = re.search(r"answer-(\w+)", received.path + received.body.decode())
        return self._refusal(asked[1]) if asked else self._truth(received)

    def _refusal(self, kind: str) -> Step:
        quoting = {"message": self.body, "errors": {"session_id": [self.body], self.body: 1}, "started_at": self.body}
        told = {"Location": f"/{self.head}", "WWW-Authenticate": self.head, "Retry-After": self.head}
        odd: dict[str, Step] = {
            "html": answer(200, f"<html>{self.body}</html>", {"Content-Type": "text/html"}),
            "shape": answer(200, quoting),
            "list": answer(200, [self.body]),
            "cut": cut_after(whole(200, quoting)[:-4]),
            "hang": hang,
        }
        return odd[kind] if kind in odd else answer(int(kind), quoting, {**JSON_HEADERS, **told})

    def _truth(self, received: Received) -> Step:
        path = received.path.partition("?")[0]
        if path.endswith("/batch"):
            failed = [{"session_id": entry["session_id"], "error": self.reason} for entry in received.json]
            return answer(200, {"archived": [], "failed": failed, "total": len(failed), "success_count": 0})
        if path == "/api/v1/sessions":
            return answer(200, {"sessions": [self._session(name) for name in DUE], "total": len(DUE)})
        if path.startswith("/api/v1/sessions/"):
            return answer(200, self._session(path.rpartition("/")[2]))
        if received.method == "GET" and path != "/health":
            return answer(404, {"message": self.body})
        return answer(200, {"policy_id": "p"})

    def _session(self, name: str) -> dict[str, Any]:
        started = "2020-01-01T00:00:00Z"
        return {
            "session_id": name,
            "model_id": "m",
            "started_at": started,
            "ended_at": started,
            "status": "completed",
            "prompt_count": 1,
            "total_tokens": 1,
            "metadata": {"note": self.listed},
        }
