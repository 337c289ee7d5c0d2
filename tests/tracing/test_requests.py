"""A service's part of a trace: one span for each request, and one for its transaction, without anything it carried."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.errors import HttpError, Refused
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas.settings import read_all
from memory_graph_workers.services.registry import app as registry
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.web.log import LOGGER, JsonFormatter
from memory_graph_workers.tracing.spans import span
from support.fakes.http_server import Connection, FakeServer, answer
from support.traces import Recorded
from support.traces import recorded as recorded

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAMED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
CANARY = "canary-7Qz"
SESSION = {"session_id": CANARY, "model_id": "m", "started_at": "2026-01-01T00:00:00Z", "metadata": {"a": CANARY}}
REPORT = {"session_id": CANARY, "prompt_tokens": 3, "completion_tokens": 2}
ROUTE = "/api/v1/sessions/{session_id}"


class Lines(logging.Handler):
    """What is logged, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.of: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.of.append(json.loads(JsonFormatter().format(record)))


def no_http(connection: Connection) -> None:
    connection.send(f"{CANARY}\r\n\r\n".encode())
    connection.open = False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Any]:
    settings = {"REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path}/registry.db", "REGISTRY_KEYS": CANARY}
    (config,) = read_all(settings, RegistryServiceConfig)
    registry.prepare(config)  # pyright: ignore[reportArgumentType]
    app = registry.make_app(config, 2)  # pyright: ignore[reportArgumentType]
    yield app.test_client()
    app.extensions["storage"].close()


def ask(service: Any, method: str, path: str, body: Any = None, **headers: str) -> int:
    bearer = {"Authorization": f"Bearer {CANARY}", "Idempotency-Key": CANARY}
    return service.open(path, method=method, json=body, headers={**bearer, **NAMED, **headers}).status_code


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "route", "work"),
    [
        ("POST", "/api/v1/sessions", SESSION, 201, "/api/v1/sessions", ["write registry"]),
        ("GET", f"/api/v1/sessions/{CANARY}", None, 404, ROUTE, ["read registry"]),
        ("GET", f"/api/v1/sessions/{CANARY}/usage", None, 404, f"{ROUTE}/usage", ["read registry"]),
        ("POST", "/api/v1/usage", REPORT, 404, "/api/v1/usage", ["write registry"]),
        ("GET", f"/nowhere/{CANARY}?{CANARY}", None, 404, None, []),
    ],
    ids=["with Flask", "not found", "without Flask", "a write without Flask", "no route"],
)
def test_a_request_joins_the_trace_under_the_name_of_its_route(
    recorded: Recorded, service: Any, method: str, path: str, body: Any, status: int, route: str | None, work: list[str]
) -> None:
    assert ask(service, method, path, body) == status
    *transactions, request = recorded.spans
    assert (request.name, request.kind) == (f"{method} {route}" if route else "HTTP", "SERVER")
    assert (request.trace_id, request.parent_id, request.failed) == (TRACE, SPAN, False)
    assert request.attributes["http.response.status_code"] == status
    assert [one.name for one in transactions] == work
    assert {(one.trace_id, one.parent_id, one.failed) for one in transactions} <= {(TRACE, request.span_id, False)}
    assert [one.text for one in recorded.spans if CANARY in one.text or "SELECT" in one.text] == []


def test_a_health_check_is_no_trace_and_neither_is_work_beside_requests(recorded: Recorded, service: Any) -> None:
    assert ask(service, "GET", "/health") == 200
    for purge in service.application.extensions["purges"]:
        purge()
    assert recorded.spans == []


def test_a_database_that_is_away_is_a_failure_that_quotes_nothing(recorded: Recorded, service: Any) -> None:
    with service.application.extensions["storage"]._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE sessions")
    assert ask(service, "GET", f"/api/v1/sessions/{CANARY}") >= 500
    transaction, request = recorded.spans
    assert (transaction.failed, request.failed) == (True, True)
    assert transaction.attributes["error.type"] == "OperationalError"
    assert CANARY not in transaction.text + request.text


def test_the_line_of_a_request_has_its_trace(
    recorded: Recorded, service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    LOGGER.addHandler(lines := Lines())
    caplog.set_level(logging.INFO, LOGGER.name)
    ask(service, "GET", f"/api/v1/sessions/{CANARY}/usage")
    ask(service, "GET", f"/api/v1/sessions/{CANARY}/usage", traceparent="forged")
    ask(service, "GET", "/health")
    LOGGER.removeHandler(lines)
    first, second, third = lines.of
    assert first["trace_id"] == TRACE
    assert second["trace_id"] not in (TRACE, "forged")
    assert "trace_id" not in third
    assert len(recorded.spans) == 4


def test_a_client_passes_the_trace_on_and_records_the_route_alone(recorded: Recorded) -> None:
    with FakeServer() as server, RegistryClient(RegistryConfig(server.url, CANARY), retry_policy=ONCE) as client:
        server.answers(answer(404, {"error": CANARY}), no_http)
        with span("caller", "INTERNAL"):
            with pytest.raises(Refused):
                client.get_session(CANARY)
            with pytest.raises(HttpError):
                client.get_session(CANARY)
        first, second = (one.headers for one in server.requests)
    refused, broken, caller = recorded.spans
    assert refused.is_named_by(first)
    assert broken.is_named_by(second)
    for one, error in ((refused, "Refused"), (broken, "HttpError")):
        assert (one.name, one.kind, one.parent_id) == (f"GET {ROUTE}", "CLIENT", caller.span_id)
        assert (one.failed, one.attributes["error.type"]) == (True, error)
    assert refused.attributes["http.response.status_code"] == 404
    assert "http.response.status_code" not in broken.attributes
    assert [one.text for one in recorded.spans if CANARY in one.text] == []


def test_a_client_without_a_trace_sends_no_header() -> None:
    with FakeServer() as server, RegistryClient(RegistryConfig(server.url), retry_policy=ONCE) as client:
        server.answers(answer(404, {}))
        with pytest.raises(Refused):
            client.get_session("s")
        assert "traceparent" not in server.requests[0].headers
