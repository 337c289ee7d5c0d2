"""The three services as real processes on both databases, and a client that sends exactly the bytes it is given."""

import base64
import http.client
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from memory_graph_workers.cli.stack.ports import free_port
from support.forked import SERVICES, Forked
from support.graph_channel import GRAPH_KEY, graph_channel
from support.postgres import postgres as postgres_server
from support.waiting import LONGEST_SECS, until

KEY = "vault-key-1"
ENCRYPTION_KEY = base64.b64encode(b"k" * 32).decode()
BEARER = {"Authorization": f"Bearer {KEY}"}
# What `make coverage` tells child processes.
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class Service:
    """One service process on a free port, with a database of its own."""

    def __init__(self, name, folder, database_url, bearer=None, /, **settings):
        self.name, self.folder, self.database_url, self.bearer = name, Path(folder), database_url, bearer or {}
        self.settings = settings
        self.port = free_port()
        self.start()

    def start(self):
        log = self.folder / f"{self.name}.log"
        log.write_bytes(b"")
        environ = {"PATH": os.environ["PATH"], **MEASURED, database_setting(self.name): self.database_url}
        arguments, streams = [self.name, "--port", str(self.port)], [Path(os.devnull), log, log]
        self.process = Forked(SERVICES, arguments, environ | self.settings, self.folder, streams)
        self._wait()

    def stop(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)
        self.process.wait(LONGEST_SECS)

    def logged(self):
        return (self.folder / f"{self.name}.log").read_text()

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_SECS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            data = body.encode() if isinstance(body, str) else body
            if data is not None:
                named["Content-Length"] = str(len(data))
            for name, value in {**self.bearer, **named}.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def post(self, path, body, **headers):
        return self.send("POST", path, body if isinstance(body, str | bytes) else json.dumps(body), **headers)

    def put(self, path, body, **headers):
        return self.send("PUT", path, body if isinstance(body, str | bytes) else json.dumps(body), **headers)

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def delete(self, path, **headers):
        return self.send("DELETE", path, **headers)

    def _wait(self):
        ready = f"{self.name} ready on".encode()
        until(lambda: ready in self._read() or self.process.poll() is not None, self.logged)
        assert self.process.poll() is None, self.logged()

    def _read(self):
        return (self.folder / f"{self.name}.log").read_bytes()


def database_setting(name):
    """The variable that names a service's database."""
    return f"{name.replace('-', '_').upper()}_DATABASE_URL"


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server that keeps a database for each service of the tests."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request, tmp_path_factory):
    """Makes an empty database, and gives its address; every test that uses one runs on both kinds."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").new_database
    return lambda: f"sqlite:///{tmp_path_factory.mktemp('database')}/service.db"


@pytest.fixture(scope="session")
def start(tmp_path_factory, new_database):
    """Start a service by its name and settings, on an empty database or on one; it is stopped at the end."""
    started = []

    def begin(name, database_url=None, /, **settings):
        bearer = BEARER if name == "vault" else None
        if name == "vault":
            settings.setdefault("VAULT_KEYS", f"another-key,{KEY}")
            settings.setdefault("VAULT_ENCRYPTION_KEYS", ENCRYPTION_KEY)
        if name == "memory-graph":
            settings.setdefault("MEMORY_GRAPH_KEYS", f"another-key,{GRAPH_KEY}")
        service = Service(name, tmp_path_factory.mktemp(name), database_url or new_database(), bearer, **settings)
        started.append(service)
        return service

    yield begin
    running = [service for service in started if service.process.poll() is None]
    for service in running:
        service.process.terminate()
    for service in running:
        service.stop()


@pytest.fixture(scope="session")
def registry(start):
    return start("registry")


@pytest.fixture(scope="session")
def vault(start):
    return start("vault")


@pytest.fixture(scope="session")
def services(registry, vault):
    """Both HTTP services by their names."""
    return {"registry": registry, "vault": vault}


@pytest.fixture(scope="session")
def graph(start):
    service = start("memory-graph")
    with graph_channel(service.port) as channel:
        yield channel


@pytest.fixture
def new_id():
    """An id that no other test uses."""
    return uuid4().hex


@pytest.fixture
def session_id(registry, new_id):
    """A session that is registered."""
    body = {"session_id": new_id, "model_id": f"model-{new_id}", "started_at": "2026-01-01T00:00:00Z"}
    assert registry.post("/api/v1/sessions", body).status == 201
    return new_id
