"""Whatever is sent, a service answers with a 4xx, says little, and goes on."""

import json
import socket
import string
from urllib.parse import quote

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

POSTS = [
    ("registry", "POST", "/api/v1/sessions"),
    ("registry", "POST", "/api/v1/usage"),
    ("registry", "PUT", "/api/v1/sessions/x/status"),
    ("vault", "POST", "/api/v1/archive"),
    ("vault", "POST", "/api/v1/archive/batch"),
    ("vault", "POST", "/api/v1/policies"),
    ("vault", "PUT", "/api/v1/archive/x/policy"),
]
NAMES = ["session_id", "model_id", "started_at", "metadata", "tags", "status", "prompt_tokens", "completion_tokens"]
NAMES += ["total_tokens", "latency_ms", "timestamp", "id", "data", "retention_days", "policy_id", "name", "archived_at"]
NAMES += ["compliance_level", "auto_delete", "created_at", "description", "model_version"]
TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["active", "standard", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\ud800"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=10)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(("name", "method", "path"), POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b'"\\ud800"', b"NaN", b"[Infinity]", b'{"a": 1e999}', b"[" * 100_000, b"1" * 10_000,
        b'{"session_id": "a", "session_id": "b"}', b"[" * 150 + b"]" * 150, b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"\\ud800": 1}', b"\xef\xbb\xbf{}", b"null", b"3", b'{"metadata": {"\\udfff": 1}}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_payload_is_refused(services, name, method, path, body):
    answer = services[name].send(method, path, body)
    in_batch = path.endswith("batch") and answer.status == 200
    assert 400 <= answer.status < 500 or in_batch
    assert answer.json["message"]
    answer.text.encode()


def send_raw(service, data):
    return send_bytes(service, data)[0]


def send_bytes(service, data):
    """The status, the head and the body of the first answer to these very bytes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = b"".join(iter(lambda: connection.recv(10_000), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), body.decode()


def test_a_chunked_body_over_the_limit_gets_413(registry):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert send_raw(registry, head + chunk + chunk + b"0\r\n\r\n") == 413


def test_a_body_that_ends_early_is_refused(registry, new_id):
    body = f'{{"session_id": "{new_id}", "model_id": "m"}}'.encode()
    head = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n"
    assert send_raw(registry, head + body) == 400
    assert registry.get(f"/api/v1/sessions/{new_id}").status == 404


@pytest.mark.parametrize(
    ("status", "request_line", "headers", "body"),
    [
        (414, "GET /" + "secret" * 1500 + " HTTP/1.1", "", b""),
        (431, "GET /health HTTP/1.1", "X-A: " + "secret" * 12_000, b""),
        (431, "GET /health HTTP/1.1", "\r\n".join(f"X-{number}: secret" for number in range(200)), b""),
        (400, "secret", "", b""),
        (400, "GET /health HTTP/9.9", "", b""),
        (400, "get /secret HTTP/1.1", "", b""),
        (400, "GET /health HTTP/1.1", "secret secret: x", b""),
        (400, "POST /api/v1/usage HTTP/1.1", "Content-Length: -1", b""),
        (400, "POST /api/v1/usage HTTP/1.1", "Content-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        (400, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: chunked", b"secret\r\n"),
        (400, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: chunked", b"5\r\n{"),
        (405, "PATCH /api/v1/usage HTTP/1.1", "Transfer-Encoding: chunked", b"secret\r\n"),
        (417, "POST /api/v1/usage HTTP/1.1", "Expect: secret", b""),
        (501, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        (501, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        (501, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: identity, chunked", b"0\r\n\r\n"),
        (501, "POST /api/v1/usage HTTP/1.1", "Transfer-Encoding: secret, chunked", b"0\r\n\r\n"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_what_is_no_http_is_refused_in_json_that_quotes_nothing(registry, status, request_line, headers, body):
    lines = "\r\n".join(filter(None, [request_line, "Host: x", headers]))
    answered, head, text = send_bytes(registry, f"{lines}\r\n\r\n".encode() + body)
    assert answered == status
    assert "Content-Type: application/json" in head
    assert "X-Request-ID: " in head
    assert {"X-Content-Type-Options: nosniff", "Cache-Control: no-store"} <= set(head.split("\r\n"))
    assert json.loads(text).keys() == {"code", "status", "message"}
    assert "secret" not in head + text + registry.logged()


@pytest.mark.parametrize("name", ["registry", "vault"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("PUT", "/health"), ("GET", "/nowhere"), ("POST", "/health")]
)
def test_no_response_is_kept_or_guessed_at(services, name, method, path):
    headers = services[name].send(method, path).headers
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/models", "/api/v1/sessions/none"])
def test_no_response_with_data_is_kept(registry, path):
    assert registry.get(path).headers.get_all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize(("name", "method", "path"), POSTS)
@FEW
@given(payload=OBJECTS, many=st.booleans())
def test_no_payload_is_a_500(services, name, method, path, payload, many):
    service = services[name]
    answer = service.send(method, path, json.dumps([payload, payload] if many else payload))
    assert answer.status < 500
    json.dumps(answer.json, ensure_ascii=False).encode()


@pytest.mark.parametrize("route", ["sessions/{}", "sessions/{}/usage", "models/{}", "models/{}/usage"])
@FEW
@given(text=st.text(max_size=300) | st.text(string.printable, max_size=20), encode=st.booleans())
def test_no_path_is_a_500(registry, route, text, encode):
    safe = quote(text, safe="" if encode else "/:%;,=@&+$!*'().~")
    answer = registry.get(f"/api/v1/{route.format(safe)}")
    assert answer.status in {200, 404, 422}


@FEW
@given(name=st.sampled_from(["page", "page_size", "status", "started_before"]), value=st.text(max_size=30))
def test_no_query_is_a_500(registry, name, value):
    assert registry.get(f"/api/v1/sessions?{name}={quote(value)}").status in {200, 422}


@pytest.mark.parametrize("operation", ["GetSession", "AddPrompt", "AddResponse", "AddToolInvocation", "Query"])
@FEW
@given(message=st.binary(max_size=60))
def test_no_bytes_break_the_graph(graph, operation, message):
    call = graph.unary_unary(f"/llm.memory.graph.v1.MemoryGraphService/{operation}")
    assert outcome(call, message) in {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS"}


def test_messages_that_cannot_be_decoded_take_nobodys_place(graph):
    call = graph.unary_unary("/llm.memory.graph.v1.MemoryGraphService/Query")
    for number in range(300):
        assert outcome(call, bytes([0, number % 256])) == "INVALID_ARGUMENT"
    assert outcome(call, b"") == "OK"


def outcome(call, message):
    try:
        call(message, timeout=10)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
