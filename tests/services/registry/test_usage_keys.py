"""A usage report counts once, however late and from wherever it comes again."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from alembic import command
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.services.database.engines import migration_engine
from memory_graph_workers.services.database.migrate import Migrations
from memory_graph_workers.services.databases import DATABASES
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.registry.usage_keys import key_bytes

KEYS = ["0193a5f0-7a6b-7c1e-9d2f-1b2c3d4e5f60", "0193A5F0-7A6B-7C1E-9D2F-1B2C3D4E5F60", "report 1", "~" * 255]
OLD_ROWS = Path(__file__).with_name("registry_0001.sql")  # what the release before wrote
OLD_MOMENT = datetime(2026, 11, 28, 20, tzinfo=UTC)
OLD_REPORTS = {
    "0193a5f0-7a6b-4c1e-9d2f-1b2c3d4e5f60": {
        "session_id": "old-session",
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "timestamp": "2026-11-01T10:00:05Z",
    },
    "report of a task:1": {"session_id": "old-session", "prompt_tokens": 1, "completion_tokens": 2},
}


@pytest.fixture
def session(registry):
    return registered(registry)


@pytest.fixture
def old_database(new_database):
    """A database as the first release left it, with reports that it had answered."""
    url = new_database()
    migrations = Migrations(url.replace("postgresql://", "postgresql+psycopg://"), DATABASES["registry"].tables)
    config = migrations.config()
    with migration_engine(migrations._url, migrations.schema).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA registry")
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        config.attributes["connection"] = connection
        command.upgrade(config, "registry_0001")
        for line in OLD_ROWS.read_text().splitlines():
            connection.exec_driver_sql(line)
    return url


def registered(registry):
    session_id = f"s-{uuid4()}"
    assert registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": "m"}).status == 201
    return session_id


def report(registry, body, key=None, **headers):
    named = {"Idempotency-Key": key} if key else {}
    return registry.post("/api/v1/usage", body, **named, **headers).status


def usage(session_id, tokens=3, **more):
    return {"session_id": session_id, "prompt_tokens": tokens, "completion_tokens": 0, **more}


def counted(registry, session_id):
    return registry.get(f"/api/v1/sessions/{session_id}/usage").json["total_tokens"]


def at(registry, moment):
    """Start it again with a clock that shows this time."""
    registry.stop()
    registry.settings["REGISTRY_CLOCK_OFFSET_SECS"] = str((moment - datetime.now(UTC)).total_seconds())
    registry.start()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_counts_once_with_the_same_fields_however_they_are_written(registry, session, key):
    key = key if len(key) > 100 else f"{key}{uuid4()}"
    body = usage(session, metadata={"a": 1, "b": [1.0, "é"]})
    turned = {name: body[name] for name in reversed(body)}
    sent = [json.dumps(body), json.dumps(turned), json.dumps(body, indent=2, ensure_ascii=False), json.dumps(body)]
    assert [report(registry, one, key) for one in sent] == [201] * 4
    assert counted(registry, session) == 3


@pytest.mark.parametrize(
    "other", [{"total_tokens": 3}, {"latency_ms": None}, {"metadata": {}}, {"prompt_tokens": 4}, {"model_id": ""}]
)
def test_a_key_with_other_fields_is_refused_though_a_default_would_say_the_same(registry, session, other):
    key = str(uuid4())
    assert report(registry, usage(session), key) == 201
    assert report(registry, {**usage(session), **other}, key) == 409
    assert counted(registry, session) == 3


@pytest.mark.parametrize("keys", [KEYS[:2], ["a", "a "], ["urn:uuid:" + KEYS[0], KEYS[0]], [KEYS[0], f"{{{KEYS[0]}}}"]])
def test_keys_that_differ_in_their_text_are_others(keys):
    assert key_bytes(keys[0]) != key_bytes(keys[1])


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)) | st.uuids().map(str))
@example(KEYS[0].replace("-", ""))
@example(f"{{{KEYS[0]}}}")
@example(KEYS[0].replace("-", "", 1) + "-")
def test_a_uuid_in_its_usual_form_is_kept_as_its_bytes(key):
    try:
        usual = UUID(key).bytes if str(UUID(key)) == key else None
    except ValueError:
        usual = None
    assert key_bytes(key) == (usual or sha256(key.encode()).digest())


def test_a_report_that_was_refused_leaves_no_key(registry):
    session_id, key = f"s-{uuid4()}", str(uuid4())
    assert report(registry, usage(session_id), key) == 404
    registry.post("/api/v1/sessions", {"session_id": session_id, "model_id": "m"})
    assert [report(registry, usage(session_id), key) for _ in range(2)] == [201, 201]
    assert counted(registry, session_id) == 3


def test_many_at_once_under_one_key_count_once(registry, session):
    key = str(uuid4())
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: report(registry, usage(session), key), range(64))) == {201}
    assert counted(registry, session) == 3


def test_a_key_is_known_whoever_sends_it(start):
    registry = start("registry", REGISTRY_KEYS="one,other")
    one, other = [{"Authorization": f"Bearer {key}"} for key in ("one", "other")]
    registry.post("/api/v1/sessions", {"session_id": "s", "model_id": "m"}, **one)
    assert [report(registry, usage("s"), "k", **bearer) for bearer in (one, other)] == [201, 201]
    assert registry.get("/api/v1/sessions/s/usage", **one).json["total_tokens"] == 3


def test_keys_are_known_for_ever_and_health_says_so(start):
    registry, today = start("registry"), datetime.now(UTC)
    session_id, key = registered(registry), str(uuid4())
    for days in (0, 8, 91, 4000):
        at(registry, today + timedelta(days=days))
        assert report(registry, usage(session_id), key) == 201
    assert counted(registry, session_id) == 3
    assert registry.get("/health").json["capabilities"]["idempotency"] == {"kept_days": None}


def test_keys_are_dropped_after_the_days_that_were_set_and_health_says_so(start):
    registry, today = start("registry", USAGE_KEYS_KEPT_DAYS="90"), datetime.now(UTC)
    session_id, keys = registered(registry), [str(uuid4()) for _ in range(30)]
    for days, expected in ((0, 90), (89, 90), (92, 180)):
        at(registry, today + timedelta(days=days))
        assert {report(registry, usage(session_id), key) for key in keys} == {201}
        assert counted(registry, session_id) == expected
    assert registry.get("/health").json["capabilities"]["idempotency"] == {"kept_days": 90}


@pytest.mark.parametrize("days", ["89", "0", "-1", "soon"])
def test_fewer_days_than_a_letter_is_kept_are_refused(days):
    with pytest.raises(ValueError, match="USAGE_KEYS_KEPT_DAYS"):
        RegistryServiceConfig.from_env({"USAGE_KEYS_KEPT_DAYS": days})


FRACTION = "2026-01-31T12:00:00.123456789Z"


@pytest.mark.parametrize(
    ("first", "second", "effects"),
    [
        ({"timestamp": FRACTION}, {"timestamp": FRACTION}, 1),
        ({"timestamp": FRACTION}, {"timestamp": FRACTION.replace("9Z", "8Z")}, 2),
        ({"timestamp": FRACTION, "metadata": {}}, {"metadata": {}, "timestamp": FRACTION}, 2),
        ({"timestamp": "2026-01-31T12:00:00Z"}, {"timestamp": "2026-01-31T12:00:00Z"}, 2),
        ({"timestamp": "2026-01-31T12:00:00.000Z"}, {"timestamp": "2026-01-31T12:00:00.000Z"}, 2),
        ({}, {}, 2),
    ],
)
def test_without_a_key_the_same_bytes_with_a_fraction_of_a_second_count_once(registry, session, first, second, effects):
    assert [report(registry, usage(session, **more)) for more in (first, second)] == [201, 201]
    assert counted(registry, session) == 3 * effects


def test_without_a_key_the_same_bytes_count_again_after_an_hour(start):
    registry, today = start("registry"), datetime.now(UTC)
    session_id = registered(registry)
    for minutes in (0, 50, 70):
        at(registry, today + timedelta(minutes=minutes))
        assert report(registry, usage(session_id, timestamp=FRACTION)) == 201
    assert counted(registry, session_id) == 6


def test_a_report_that_an_older_release_answered_counts_once_after_the_migration(start, old_database):
    registry = start("registry")
    registry.stop()
    registry.database_url = old_database
    at_once = registry.database_url.replace("postgresql://", "postgresql+psycopg://")
    Migrations(at_once, DATABASES["registry"].tables).upgrade()
    registry.settings["REGISTRY_CLOCK_OFFSET_SECS"] = str((OLD_MOMENT - datetime.now(UTC)).total_seconds())
    registry.start()
    for key, body in OLD_REPORTS.items():
        assert [report(registry, body, key), report(registry, {**body, "prompt_tokens": 7}, key)] == [201, 409]
    assert counted(registry, "old-session") == 123
    assert report(registry, usage("old-session"), "another") == 201
    assert counted(registry, "old-session") == 126
