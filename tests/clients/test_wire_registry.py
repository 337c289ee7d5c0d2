"""Each registry operation against a request and an answer written by hand from the contract."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import (
    ModelMetadata,
    ModelParameters,
    SessionInfo,
    SessionRegistration,
    SessionStatus,
    UsageReport,
    UsageStats,
)
from support.fakes.http_server import FakeServer, answer

NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
NOON_AND_A_BIT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

SESSION_TEXT = """{
  "session_id": "s-1", "model_id": "gpt-4", "started_at": "2026-01-31T12:00:00.123456789Z", "ended_at": null,
  "status": "active", "prompt_count": 2, "total_tokens": 300, "metadata": {"user_id": "u-1"}
}"""
SESSION = SessionInfo("s-1", "gpt-4", NOON_AND_A_BIT, SessionStatus.ACTIVE, None, 2, 300, metadata={"user_id": "u-1"})
MODEL_TEXT = """{
  "model_id": "meta-llama/Llama-3-8B", "version": "3", "provider": "meta",
  "parameters": {"temperature": 0.7, "max_tokens": 4096, "top_p": null, "frequency_penalty": null,
                 "presence_penalty": 0.5, "stop_sequences": ["END"], "custom": {"seed": 7}},
  "created_at": "2026-01-31T13:00:00+01:00", "description": "open weights", "capabilities": ["chat"],
  "tags": ["prod"], "metadata": {"size": "8B"}
}"""
MODEL = ModelMetadata(
    "meta-llama/Llama-3-8B",
    "3",
    "meta",
    NOON,
    ModelParameters(0.7, 4096, None, None, 0.5, ["END"], {"seed": 7}),
    "open weights",
    ["chat"],
    ["prod"],
    {"size": "8B"},
)
STATS_TEXT = """{
  "id": "s-1", "total_prompts": 2, "total_responses": 2, "total_prompt_tokens": 100, "total_completion_tokens": 200,
  "total_tokens": 300, "avg_latency_ms": 1500.5, "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T12:00:00Z",
  "custom_metrics": {"cache_hits": 3}
}"""
STATS = UsageStats("s-1", NOON, NOON, 2, 2, 100, 200, 300, 1500.5, {"cache_hits": 3})


@dataclass(frozen=True)
class Exchange:
    """What the contract says of an operation: the request that must come, the answer, what it must mean."""

    name: str
    call: Callable[[RegistryClient], Any]
    method: str
    path: str
    answer: str
    means: Any
    body: str = ""
    status: int = 200
    has_key: bool = True


EXCHANGES = [
    Exchange(
        "register_session",
        lambda client: client.register_session(
            SessionRegistration("s-1", "gpt-4", "0613", NOON, {"user_id": "u-1"}, ["production"])
        ),
        "POST",
        "/api/v1/sessions",
        SESSION_TEXT,
        SESSION,
        """{"session_id": "s-1", "model_id": "gpt-4", "model_version": "0613",
            "started_at": "2026-01-31T12:00:00Z", "metadata": {"user_id": "u-1"}, "tags": ["production"]}""",
        status=201,
    ),
    Exchange(
        "list_sessions",
        lambda client: (page := client.list_sessions(2, 50)) and (page.sessions, page.total, page.page, page.page_size),
        "GET",
        "/api/v1/sessions?page=2&page_size=50",
        '{"sessions": [' + SESSION_TEXT + '], "total": 51, "page": 2, "page_size": 50}',
        ([SESSION], 51, 2, 50),
    ),
    Exchange(
        "list_sessions",
        lambda client: client.list_sessions(1, 50, SessionStatus.FAILED, NOON).sessions,
        "GET",
        "/api/v1/sessions?page=1&page_size=50&status=failed&started_before=2026-01-31T12%3A00%3A00Z",
        '{"sessions": [' + SESSION_TEXT + '], "total": 1}',
        [SESSION],
    ),
    Exchange(
        "get_session", lambda client: client.get_session("s-1"), "GET", "/api/v1/sessions/s-1", SESSION_TEXT, SESSION
    ),
    Exchange(
        "update_session_status",
        lambda client: client.update_session_status("s-1", SessionStatus.COMPLETED),
        "PUT",
        "/api/v1/sessions/s-1/status",
        SESSION_TEXT,
        SESSION,
        '{"status": "completed"}',
    ),
    Exchange(
        "reopen_session",
        lambda client: client.reopen_session("s-1", NOON),
        "POST",
        "/api/v1/sessions/s-1/reopen?asked_at=2026-01-31T12%3A00%3A00Z",
        SESSION_TEXT,
        SESSION,
    ),
    Exchange("delete_session", lambda client: client.delete_session("s-1"), "DELETE", "/api/v1/sessions/s-1", "", None),
    Exchange(
        "list_models",
        lambda client: (page := client.list_models()) and (page.models, page.total, page.page, page.page_size),
        "GET",
        "/api/v1/models",
        '{"models": [' + MODEL_TEXT + '], "total": 1}',
        ([MODEL], 1, None, None),
    ),
    Exchange(
        "get_model_metadata",
        lambda client: client.get_model_metadata("meta-llama/Llama-3-8B"),
        "GET",
        "/api/v1/models/meta-llama%2FLlama-3-8B",
        MODEL_TEXT,
        MODEL,
    ),
    Exchange(
        "track_usage",
        lambda client: client.track_usage(
            UsageReport("s-1", 100, 200, "gpt-4", latency_ms=1500, timestamp=NOON, metadata={"k": 1})
        ),
        "POST",
        "/api/v1/usage",
        "",
        None,
        """{"session_id": "s-1", "model_id": "gpt-4", "prompt_tokens": 100, "completion_tokens": 200,
            "total_tokens": 300, "latency_ms": 1500, "timestamp": "2026-01-31T12:00:00Z", "metadata": {"k": 1}}""",
        status=202,
    ),
    Exchange(
        "get_session_usage",
        lambda client: client.get_session_usage("s-1"),
        "GET",
        "/api/v1/sessions/s-1/usage",
        STATS_TEXT,
        STATS,
    ),
    Exchange(
        "get_model_usage",
        lambda client: client.get_model_usage("gpt-3.5-turbo:20230327"),
        "GET",
        "/api/v1/models/gpt-3.5-turbo%3A20230327/usage",
        STATS_TEXT.replace("s-1", "gpt-3.5-turbo:20230327"),
        replace(STATS, id="gpt-3.5-turbo:20230327"),
    ),
    Exchange("health_check", lambda client: client.health_check(), "GET", "/health", "up", True, has_key=False),
]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_operation_is_what_the_contract_says(server: FakeServer, registry: RegistryClient, exchange: Exchange) -> None:
    server.answers(answer(exchange.status, exchange.answer))
    assert exchange.call(registry) == exchange.means
    (request,) = server.requests
    assert (request.method, request.path) == (exchange.method, exchange.path)
    assert request.json == json.loads(exchange.body) if exchange.body else request.body == b""
    assert request.headers.get("authorization") == ("Bearer key-canary-5Vq" if exchange.has_key else None)
    assert ("idempotency-key" in request.headers) is (exchange.method == "POST")
    assert request.headers["user-agent"].startswith("memory-graph-workers/")
    assert request.headers["x-request-id"]
    if exchange.body:
        assert request.headers["content-type"] == "application/json"


def test_every_operation_of_the_contract_is_in_the_table() -> None:
    assert len({exchange.name for exchange in EXCHANGES}) == 12


SPARSE_SESSION = (
    '{"session_id":"s","model_id":"","started_at":"2026-01-31T12:00:00Z","status":"failed","new_field":[1]}'
)
SPARSE_MODEL = """{"model_id": "m", "version": "", "provider": "p", "created_at": "2026-01-31T12:00:00Z",
                   "parameters": {"temperature": 1.0}, "deprecated": true}"""
SPARSE_STATS = '{"id": "s", "avg_latency_ms": 0.0, "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T12:00:00Z"}'


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda client: client.get_session("s"), SPARSE_SESSION),
        (lambda client: client.get_model_metadata("m"), SPARSE_MODEL),
        (lambda client: client.get_session_usage("s"), SPARSE_STATS),
        (lambda client: client.list_sessions(), '{"sessions": [], "total": 0}'),
        (lambda client: client.list_models(), '{"models": [' + SPARSE_MODEL + '], "total": 1, "next": null}'),
    ],
    ids=["session", "model", "stats", "no sessions", "models"],
)
def test_sparse_answers_with_new_fields_and_no_content_type_are_fine(
    server: FakeServer, registry: RegistryClient, call: Callable[[RegistryClient], Any], text: str
) -> None:
    server.answers(answer(200, text, {}))
    assert call(registry)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.delete_session("s"),
        lambda client: client.track_usage(UsageReport("s", 1, 1)),
        lambda client: client.health_check(),
    ],
    ids=["delete", "usage", "health"],
)
def test_no_body_is_fine_where_none_is_read(
    server: FakeServer, registry: RegistryClient, call: Callable[[RegistryClient], Any]
) -> None:
    server.answers(answer(204))
    call(registry)
    assert len(server.requests) == 1


def test_deleting_what_is_gone_succeeds(server: FakeServer, registry: RegistryClient) -> None:
    server.answers(404)
    registry.delete_session("gone")
    assert len(server.requests) == 1


def test_usage_report_of_defaults_has_no_null_but_latency(server: FakeServer, registry: RegistryClient) -> None:
    registry.track_usage(UsageReport("s-1", 1, 2))
    sent = server.requests[0].json
    assert [name for name, value in sent.items() if value is None] in ([], ["latency_ms"])
    assert sent["timestamp"].endswith("Z")
    assert sent["total_tokens"] == 3


def test_a_registry_without_a_key_gets_no_authorization(server: FakeServer) -> None:
    with RegistryClient(RegistryConfig(server.url)) as client:
        client.delete_session("s")
    assert "authorization" not in server.requests[0].headers


def test_a_base_url_with_a_path_and_a_slash_at_its_end_is_kept(server: FakeServer) -> None:
    with RegistryClient(RegistryConfig(server.url + "/behind/gateway/")) as client:
        client.delete_session("s")
    assert server.requests[0].path == "/behind/gateway/api/v1/sessions/s"
