"""How the services start, stop, log and fail."""

import json
import signal
import socket
import sqlite3
import time
from http.client import HTTPConnection

import pytest
import requests
from sqlalchemy.engine import make_url
from support.forked import SERVICES, finished

on_sqlite = pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")


def run(name, **environ):
    return finished(SERVICES, [name], environ)


def send_raw(service, data):
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(data)
        connection.recv(1000)


def secs_to_end(service, signum, idle_connections):
    """How long a service with so many idle connections takes to end."""
    idle = [HTTPConnection("127.0.0.1", service.port) for _ in range(idle_connections)]
    for connection in idle:
        connection.connect()
    began = time.monotonic()
    service.stop(signum)
    for connection in idle:
        connection.close()
    assert service.process.returncode == 0
    return time.monotonic() - began


@on_sqlite
@pytest.mark.parametrize("name", ["registry", "vault", "memory-graph"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_connection_does_not_hold_up_a_service_that_ends(start, name, signum):
    # One that waited for the connection would take 8 s longer than without one, also on a busy machine.
    assert any(secs_to_end(start(name), signum, 1) - secs_to_end(start(name), signum, 0) < 5 for _ in range(3))


@on_sqlite
@pytest.mark.parametrize("name", ["registry", "vault", "memory-graph"])
def test_a_service_that_is_told_to_end_again_and_again_ends(start, name):
    for _ in range(3):
        service = start(name)
        for _ in range(300):
            service.process.send_signal(signal.SIGTERM)
        service.stop()
        assert service.process.returncode == 0


def test_a_vault_without_a_key_tells_all_its_mistakes_and_does_not_start(tmp_path):
    ended = run("vault", VAULT_DATABASE_URL="mysql://user:hush@host/x", VAULT_MAX_BODY_BYTES="1", SERVICE_WORKERS="0")
    assert ended.returncode == 2
    for name in ("VAULT_KEYS", "VAULT_DATABASE_URL", "VAULT_MAX_BODY_BYTES", "SERVICE_WORKERS"):
        assert name in ended.stderr
    assert "hush" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:////no/such/folder/x.db", "nonsense"])
def test_a_database_that_does_not_open_is_told_at_start(url):
    ended = run("registry", REGISTRY_DATABASE_URL=url)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)


def test_a_models_file_that_is_wrong_is_told_at_start(tmp_path):
    (tmp_path / "models.json").write_text('[{"model_id": "a"}]')
    database, models = f"sqlite:///{tmp_path}/r.db", f"{tmp_path}/models.json"
    ended = run("registry", REGISTRY_DATABASE_URL=database, REGISTRY_MODELS_FILE=models)
    assert (ended.returncode, "REGISTRY_MODELS_FILE" in ended.stderr) == (2, True)


def test_each_request_is_one_line_without_ids_bodies_or_keys(start):
    vault = start("vault")
    entry = {"id": "canary-id", "session_id": "canary-session", "data": "canary-data", "retention_days": 1}
    vault.post("/api/v1/archive", entry, X_Request_ID="req-1")
    vault.post("/api/v1/archive", {**entry, "data": "canary-other"})
    vault.get("/api/v1/archive/canary-id?canary=1")
    vault.send("canary-method", "/canary-path", Authorization="Bearer canary-key")
    send_raw(vault, b"GET /canary HTTP/9.9\r\nAuthorization Bearer canary\r\n\r\n")
    vault.stop()
    assert "canary" not in vault.logged()
    lines = [json.loads(line) for line in vault.logged().splitlines()[1:]]
    assert {"method", "route", "status", "duration_ms", "request_id"} <= set(lines[0])
    assert (lines[0]["request_id"], lines[2]["route"]) == ("req-1", "/api/v1/archive/<id:archive_id>")


def test_a_request_id_comes_back_if_it_is_a_plain_token(registry):
    assert registry.get("/health", X_Request_ID="a-1:b.2_c").headers["X-Request-ID"] == "a-1:b.2_c"
    made = registry.get("/nothing", X_Request_ID="a b\tc").headers["X-Request-ID"]
    assert len(made) == 36


@pytest.mark.parametrize("body", ["x" * 2_000_000, '{"session_id": "' + "x" * 1_100_000])
def test_a_body_over_the_limit_gets_413(registry, body):
    assert registry.post("/api/v1/sessions", body).status == 413


def lose_tables(path):
    database = sqlite3.connect(path)
    wanted = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    for (table,) in database.execute(wanted).fetchall():
        database.execute(f"DROP TABLE {table}")
    database.close()


@on_sqlite
@pytest.mark.parametrize("name", ["registry", "vault"])
def test_a_database_that_fails_is_a_503_and_not_a_traceback(start, name):
    service = start(name)
    path = {"registry": "/api/v1/sessions/x", "vault": "/api/v1/archive/x"}[name]
    assert (service.get(path).status, service.get("/health").status) == (404, 200)
    lose_tables(make_url(service.database_url).database)
    answer = service.get(path)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert service.get("/health").status == 503
    assert "Traceback" not in service.logged()


@on_sqlite
def test_a_writer_waits_for_another_one(registry, new_id):
    database = sqlite3.connect(make_url(registry.database_url).database, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    connection = HTTPConnection("127.0.0.1", registry.port, timeout=10)
    connection.request("POST", "/api/v1/sessions", json.dumps({"session_id": new_id, "model_id": "m"}))
    time.sleep(0.3)
    assert registry.get("/api/v1/sessions").status == 200
    database.execute("COMMIT")
    database.close()
    assert connection.getresponse().status == 201
    connection.close()


def test_a_refused_body_is_read_to_its_end_so_that_the_answer_arrives(registry):
    url, keys = f"http://127.0.0.1:{registry.port}/api/v1/sessions", registry.bearer
    with requests.Session() as session:
        statuses = [session.post(url, b"x" * 20_000_000, headers=keys).status_code for _ in range(5)]
        statuses.append(session.get(url, headers=keys).status_code)
    assert statuses == [413] * 5 + [200]
