"""Plain calls that run without Flask: what a caller and the log see is what Flask would have made of them."""

import json
import logging
from dataclasses import dataclass, field

import pytest
from memory_graph_workers.schemas.settings import read_all
from memory_graph_workers.services.registry import app as registry
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.web.log import LOGGER
from sqlalchemy.exc import OperationalError

BEARER = "registry-key-1"
USAGE = "/api/v1/usage"
REPORT = {
    "session_id": "chat",
    "model_id": "m",
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "latency_ms": 7,
    "timestamp": "2026-01-02T00:00:00Z",
}
SESSION = {"session_id": "chat", "model_id": "m", "started_at": "2026-01-01T00:00:00Z"}
PATHS = [
    "/api/v1/sessions/chat/usage",
    "/api/v1/sessions/ch%61t/usage",
    "/api/v1/sessions/nobody/usage",
    "/api/v1/sessions/a%2Fb/usage",
    "/api/v1/sessions/a/b/usage",
    "/api/v1/sessions/%FF/usage",
    "/api/v1/sessions/%00/usage",
    "/api/v1/sessions/chat%0A/usage",
    f"/api/v1/sessions/{'a' * 300}/usage",
    "/api/v1/sessions/chat/usage?",
    "/api/v1/sessions/chat/usage?x=1",
    "/api/v1/sessions/chat/usage#1",
    "/api/v1/sessions//usage",
    "//api/v1/sessions/chat/usage",
    "/api/v1/sessions/chat/usage/",
]
BODIES = [
    json.dumps(REPORT),
    json.dumps({**REPORT, "session_id": "nobody"}),
    json.dumps({**REPORT, "prompt_tokens": -1, "tokens": 5}),
    json.dumps({**REPORT, "total_tokens": 10**13}),
    json.dumps({**REPORT, "metadata": {"a": "é\ud83d"}}),
    json.dumps([REPORT]),
    '{"session_id": "chat", "session_id": "chat"}',
    "[" * 200,
    "{",
    "",
]


@dataclass
class Client:
    """One Registry in this process."""

    app: object
    lines: list = field(default_factory=list)

    def send(self, method, path, body=b"", environ=None, **headers):
        """The status, the headers, the body, what was logged, and whether the request id is the one given."""
        named = {"Authorization": f"Bearer {BEARER}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        named = {name: value for name, value in named.items() if value is not None}
        before = len(self.lines)
        client = self.app.test_client()
        response = client.open(path, method=method, data=body, headers=named, environ_overrides=environ)
        (line,) = self.lines[before:]
        shown = {name: value for name, value in response.headers if name != "X-Request-ID"}
        assert line["request_id"] == response.headers["X-Request-ID"]
        facts = {name: line[name] for name in ("method", "route", "status")}
        return response.status, shown, response.text, facts, line["request_id"] == named.get("X-Request-ID")

    def report(self, body=BODIES[0], key="k", **headers):
        """Post a usage report."""
        return self.send("POST", USAGE, body, Idempotency_Key=key, Content_Type="application/json", **headers)


class Lines(logging.Handler):
    """Keeps the facts of what is logged of requests."""

    def __init__(self):
        super().__init__()
        self.of = []

    def emit(self, record):
        if record.getMessage() == "request":
            self.of.append(record.facts)


@pytest.fixture
def both(new_database, monkeypatch, caplog):
    """A Registry, and one that leaves everything to Flask."""
    lines = Lines()
    LOGGER.addHandler(lines)
    caplog.set_level(logging.INFO, LOGGER.name)

    def client():
        given = {"REGISTRY_DATABASE_URL": new_database(), "REGISTRY_KEYS": BEARER, "REGISTRY_MAX_BODY_BYTES": "2048"}
        (config,) = read_all(given, RegistryServiceConfig)
        registry.prepare(config)
        made = Client(registry.make_app(config, 1), lines.of)
        assert made.send("POST", "/api/v1/sessions", json.dumps(SESSION))[0] == "201 CREATED"
        return made

    direct = client()
    with monkeypatch.context() as patched:
        patched.setattr(registry, "direct_routes", lambda storage, counter: ())
        flask = client()
    yield direct, flask
    LOGGER.removeHandler(lines)
    for one in (direct, flask):
        one.app.extensions["storage"].close()


def same(both, *given, **named):
    """What both respond, which is the same."""
    direct, flask = (client.send(*given, **named) for client in both)
    assert direct == flask
    return direct


def same_report(both, *given, **named):
    """What both respond to a report, which is the same."""
    direct, flask = (client.report(*given, **named) for client in both)
    assert direct == flask
    return direct


def test_sums_are_those_of_flask(both):
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        for path in PATHS:
            same(both, method, path)
    for key in (None, "", "Bearer", f"bearer {BEARER}", f"Bearer {BEARER} ", "Bearer another"):
        same(both, "GET", PATHS[0], Authorization=key)
    assert same(both, "GET", PATHS[0], X_Request_ID="abc")[-1]
    assert not same(both, "GET", PATHS[0], X_Request_ID="a b")[-1]


@pytest.mark.parametrize("name", ["é", "日本", "Ã©"])
def test_a_path_with_bytes_that_are_not_encoded_means_the_session_that_flask_finds(both, name):
    assert same(both, "POST", "/api/v1/sessions", json.dumps({**SESSION, "session_id": name}))[0] == "201 CREATED"
    raw = f"/api/v1/sessions/{name}/usage".encode().decode("latin-1")
    for sent in (raw, raw.encode().decode("latin-1")):
        same(both, "GET", "/", environ={"RAW_URI": sent, "PATH_INFO": sent})
    found = same(both, "GET", "/", environ={"RAW_URI": raw, "PATH_INFO": raw})
    assert (found[0], json.loads(found[2])["id"]) == ("200 OK", name)


def test_reports_are_counted_and_refused_as_by_flask(both):
    for body in BODIES:
        for key in ("k", "another", body[:20] or "-", "", "k" * 256, "k\tk", None):
            same_report(both, body, key)
    assert same_report(both, key="k", body=json.dumps({**REPORT, "latency_ms": 8}))[0] == "409 CONFLICT"
    for name in ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
        for value in ("", "0", "5", "+5", "1000", "5000", "9" * 5000, "x", "chunked", "²"):
            same_report(both, key=f"{name} {len(value)}", environ={name: value})
    same_report(both, key="long", body=json.dumps({**REPORT, "model_id": "m" * 3000}))
    same(both, "POST", f"{USAGE}?x=1", BODIES[0], Idempotency_Key="query")
    assert '"total_prompts": 0' not in same(both, "GET", PATHS[0])[2]


def test_a_database_that_is_away_is_told_as_by_flask(both, monkeypatch):
    def away(*given, **named):
        raise OperationalError("SELECT", None, Exception("away"))

    for client in both:
        monkeypatch.setattr(client.app.extensions["storage"], "read_at_once", away)
        monkeypatch.setattr(client.app.extensions["storage"], "write", away)
        monkeypatch.setattr(client.app.extensions["storage"], "write_at_once", away)
    status, headers, *_ = same(both, "GET", PATHS[0])
    assert (status, headers["Retry-After"]) == ("503 SERVICE UNAVAILABLE", "1")
    assert same_report(both)[0] == "503 SERVICE UNAVAILABLE"


def test_a_fault_of_ours_is_told_as_by_flask(both, monkeypatch):
    for client in both:
        monkeypatch.setattr(client.app.extensions["storage"], "read_at_once", lambda work: 1 / 0)
    assert same(both, "GET", PATHS[0])[0] == "500 INTERNAL SERVER ERROR"


def test_a_plain_call_does_without_flask_and_only_a_plain_one(both, monkeypatch):
    seen = []
    client, _ = both
    dispatch = client.app.full_dispatch_request
    monkeypatch.setattr(client.app, "full_dispatch_request", lambda *given: seen.append(1) or dispatch(*given))
    client.send("GET", PATHS[0])
    client.report()
    client.report()
    assert not seen
    client.send("GET", "/api/v1/sessions/chat")
    client.report(key=None)
    client.report("{", "k2")
    assert len(seen) == 3
