"""A PostgreSQL with a time zone of its own, and errors that are no outage."""

import pytest
from memory_graph_workers.services.database.engines import migration_engine
from sqlalchemy import text
from sqlalchemy.engine import make_url

pytestmark = pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
LAST = "9999-12-31T00:00:00Z"


def run(registry, statement):
    url = registry.database_url.replace("postgresql://", "postgresql+psycopg://")
    with migration_engine(url, "registry").begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_are_read_whatever_the_time_zone(start, postgres, zone):
    registry = start("registry")
    postgres.run(f"ALTER DATABASE {make_url(registry.database_url).database} SET timezone = '{zone}'")
    registry.stop()
    registry.start()
    for name, started in (("last", LAST), ("first", "0001-01-02T00:00:00Z"), ("before", "2026-01-01T00:00:00Z")):
        registry.post("/api/v1/sessions", {"session_id": name, "model_id": "m", "started_at": started})
    report = {"session_id": "last", "prompt_tokens": 1, "completion_tokens": 1, "timestamp": LAST}
    assert registry.post("/api/v1/usage", report).status == 201
    # As an earlier release accepted them.
    run(registry, "UPDATE sessions SET started_at = '9999-12-31 23:59:59+00' WHERE session_id = 'before'")
    run(registry, "UPDATE session_blocks SET last_start = '9999-12-31 23:59:59+00'")
    assert len(registry.get("/api/v1/sessions").json["sessions"]) == 3
    assert registry.get("/api/v1/sessions/last").json["started_at"] == LAST
    assert registry.get("/api/v1/models/m/usage").json["to"] == LAST
    assert [registry.delete(f"/api/v1/sessions/{name}").status for name in ("last", "before")] == [204, 204]


@pytest.mark.parametrize("started", ["9999-12-31T23:59:59Z", "9999-12-31T00:00:00.000001Z", "0001-01-01T00:00:00Z"])
def test_a_time_that_some_part_cannot_hold_is_refused_at_the_door(registry, new_id, started):
    body = {"session_id": new_id, "model_id": "m", "started_at": started}
    assert registry.post("/api/v1/sessions", body).status == 422
    assert registry.get(f"/api/v1/sessions?started_before={started}").status == 422


@pytest.mark.parametrize("change", ["DROP TABLE session_usage", "ALTER TABLE session_usage DROP COLUMN reports"])
def test_an_error_that_waiting_does_not_mend_is_no_outage(start, change):
    registry = start("registry")
    registry.post("/api/v1/sessions", {"session_id": "s", "model_id": "m"})
    run(registry, change)
    failed = registry.get("/api/v1/sessions/s")
    assert (failed.status, failed.headers["Retry-After"]) == (500, None)
