"""A Registry that gets usage reports, and the attempts of the tasks that send them."""

from typing import Any

import pytest
from memory_graph_workers.clients.errors import IntegrationError
from memory_graph_workers.tasks import usage_batch
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.usage_batch import track_usage_batch

from .http_server import FakeServer, Received, Step, answer

KEYS = answer(200, {"capabilities": {"idempotency": {"kept_days": None}}})


class Registry(FakeServer):
    """A Registry that says or does not say that it honours keys, and answers reports by their session."""

    def __init__(self) -> None:
        super().__init__()
        self.health: Step = KEYS
        self.batch: Step = answer(404)
        self.steps = dict[str, Step]()

    def next_step(self, received: Received) -> Step:
        self.requests.append(received)
        if received.path == "/health":
            return self.health
        if received.path.endswith("/batch"):
            return self.batch
        return self.steps.get(received.json["session_id"], answer(201))

    @property
    def reported(self) -> list[str]:
        alone = [one for one in self.requests if one.method == "POST" and not one.path.endswith("/batch")]
        return sorted(one.json["session_id"] for one in alone)

    @property
    def batches(self) -> list[list[str]]:
        """The sessions of each batch that came."""
        sent = [one.json for one in self.requests if one.path.endswith("/batch")]
        return [[report["session_id"] for report in batch] for batch in sent]


class Attempts:
    """Runs a task as a worker does, one attempt after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.next: dict[str, Any] = {}
        self.letters = dict[str, IntegrationError]()
        attempts = self

        class Sendable:
            def apply_async(self, **options: Any) -> None:
                pass

        def signature(self: Any, request: Any, args: Any, kwargs: Any, **options: Any) -> Sendable:
            sent = {**self.request.as_execution_options(), **options}
            attempts.next = {"kwargs": self.request.kwargs, "headers": sent["headers"], "retries": sent["retries"]}
            return Sendable()

        def keep(self: Any, report: Any, error: IntegrationError) -> None:
            attempts.letters[report.idempotency_key] = error

        for task in (track_usage, track_usage_batch):
            monkeypatch.setattr(type(task), "signature_from_request", signature)
        monkeypatch.setattr(usage_batch, "_keep", keep)

    def run(self, task: Any, kwargs: dict[str, Any] | None = None) -> None:
        given: dict[str, Any] = {"kwargs": kwargs, **({} if kwargs else self.next)}
        task.push_request(id="one", args=[], called_directly=False, is_eager=False, **given)
        try:
            task(**given["kwargs"])
        finally:
            task.pop_request()
