"""The rows that a benchmark counts, and those that its limits commit by hand, are those of the Registry."""

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import committing
import meter
import payloads
import pytest
from databases import OfRegistry, Place, places
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.registry.app import make_app
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from peers import wsgi_app

ROWS = """SELECT session_number, model_id, prompt_tokens, completion_tokens, total_tokens, latency_ms, reported_at
    FROM usage_reports ORDER BY number"""
DETAILS = "SELECT details FROM usage_reports ORDER BY number"
OF_SESSIONS = "SELECT * FROM session_usage ORDER BY session_number"
OF_MODELS = """SELECT model_id, sum(reports), sum(prompt_tokens), sum(latency_ms), sum(timed_reports), min(first_at),
    max(last_at) FROM model_usage GROUP BY model_id ORDER BY model_id"""
KEYS = "SELECT count(*) FROM usage_keys"


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, Place]]:
    """Both kinds of databases, as the benchmark makes them."""
    with TemporaryDirectory(prefix="mgw-bench-") as folder, places(Path(folder)) as made:
        yield {place.name: place for place in made}


@pytest.fixture(params=["PostgreSQL", "SQLite"])
def place(request: pytest.FixtureRequest, both: dict[str, Place]) -> Place:
    """One of them."""
    return both[request.param]


def rows(database: OfRegistry) -> list[Any]:
    """All that a run leaves behind."""
    read = database._connection.execute
    details = [json.loads(text) for (text,) in read(DETAILS).fetchall()]
    return [details, *([list(row) for row in read(one).fetchall()] for one in (ROWS, OF_SESSIONS, OF_MODELS, KEYS))]


@contextmanager
def registry(database: OfRegistry) -> Generator[Any]:
    """A client of a Registry with that database."""
    app = make_app(RegistryServiceConfig(DatabaseUrl().deserialize(database.url)), 1)
    yield app.test_client()
    app.extensions["storage"].close()


def through_the_registry(database: OfRegistry, reports: list[dict[str, Any]]) -> None:
    """Post reports, each with a key."""
    keyed = [{**report, "idempotency_key": str(uuid4())} for report in reports]
    with registry(database) as client:
        response = client.post("/api/v1/usage/batch", json=keyed)
    assert response.json == {"accepted": len(reports), "failed": []}


def test_the_limit_and_the_bare_function_commit_the_rows_of_the_registry(place: Place, monkeypatch: pytest.MonkeyPatch):
    reports = payloads.numbered(250)
    with place.registry() as ours, place.registry() as limit, place.registry() as bare:
        through_the_registry(ours, reports)
        monkeypatch.setenv("BENCH_DATABASE", limit.url)
        connection: Any = committing.connect()
        write: Any = committing.to_postgresql if place.pids else committing.to_sqlite
        for start in (0, 100, 200):
            write(connection, list(map(committing.keyed, reports[start : start + 100])))
        connection.close()
        monkeypatch.setenv("BENCH_DATABASE", bare.url)
        for report in reports:
            assert wsgi_app.post(report, uuid4().bytes, bytes(16))
        wsgi_app.LOCAL.__dict__.pop("made").close()
        for database in (ours, limit, bare):
            database.counted().check(reports)
        assert rows(limit) == rows(ours)
        assert rows(bare) == rows(ours)


def test_rows_that_are_missing_or_there_twice_are_noticed(place: Place):
    reports = payloads.numbered(20)
    with place.registry() as database:
        through_the_registry(database, reports)
        database.counted().check(reports)
        with pytest.raises(RuntimeError, match="1 of 21 reports were lost, 0 duplicated"):
            database.counted().check(payloads.numbered(21))
        through_the_registry(database, reports[:1])
        with pytest.raises(RuntimeError, match="0 of 20 reports were lost, 1 duplicated"):
            database.counted().check(reports)


def test_the_bare_function_reads_what_the_registry_reads(place: Place, monkeypatch: pytest.MonkeyPatch):
    reports, wanted = payloads.numbered(250), payloads.SESSIONS[0]
    with place.registry() as database:
        through_the_registry(database, reports)
        with registry(database) as client:
            ours = client.get(f"/api/v1/sessions/{wanted}/usage").json
        monkeypatch.setenv("BENCH_DATABASE", database.url)
        bare = wsgi_app.totals(wanted)
        wsgi_app.LOCAL.__dict__.pop("made").close()
    moments = {"from", "to"}  # each in the form of its database
    assert {name: bare[name] for name in bare.keys() - moments} == {name: ours[name] for name in ours.keys() - moments}
    assert bare.keys() == ours.keys()


def test_processor_seconds_include_children_that_have_ended():
    child = "[one * one for one in range(4_000_000)]"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{child}']); print(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.readline()
        used = meter.tree_cpu_secs(program.pid)
        own = sum(meter.psutil.Process(program.pid).cpu_times()[:2])
    assert used > own + 0.1
