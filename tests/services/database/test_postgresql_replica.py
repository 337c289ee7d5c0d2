"""Services before a primary and its standby: one knows both, one the standby alone."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.postgres import replicated
from support.waiting import until

pytestmark = pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
REPORT = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 1}


def both(servers, database):
    """The address of whichever of them takes writes."""
    hosts = "&".join(f"host={conninfo_to_dict(server.url(database))['host']}" for server in servers)
    return f"postgresql://postgres@/{database}?{hosts}&target_session_attrs=read-write"


def test_a_replica_is_read_and_not_written_until_it_is_promoted_and_found(start):
    with replicated() as (primary, standby):
        database = primary.create_database()
        registry = start("registry", both([standby, primary], database))
        assert registry.post("/api/v1/sessions", {"session_id": "s", "model_id": "m"}).status == 201
        until(lambda: standby.run("SELECT to_regclass('registry.alembic_version')", database) != [(None,)])
        reading = start("registry", standby.url(database))
        until(lambda: reading.get("/api/v1/sessions/s").status == 200)  # it arrives there a little later
        assert reading.get("/api/v1/sessions").json["total"] == 1
        assert reading.get("/api/v1/sessions/s/usage").status == reading.get("/health").status == 200
        refused = [reading.post("/api/v1/usage", REPORT, Idempotency_Key="k"), reading.delete("/api/v1/sessions/s")]
        assert [one.status for one in refused] == [503, 503]

        primary.kill()
        away = registry.post("/api/v1/usage", REPORT, Idempotency_Key="k")
        standby.promote()
        until(lambda: registry.post("/api/v1/usage", REPORT, Idempotency_Key="k").status == 201)
        assert (away.status, registry.get("/api/v1/sessions/s/usage").json["total_prompts"]) == (503, 1)
        for service in (registry, reading):
            service.stop()
