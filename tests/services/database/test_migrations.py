"""The services' tables: made in an empty database, changed by migrations, refused where they do not fit."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command as alembic
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.engines import migration_engine
from memory_graph_workers.services.database.migrate import FOLDER, Migrations, State
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.databases import DATABASES
from memory_graph_workers.services.vault.keys import new_key
from memory_graph_workers.services.vault.records import ArchiveRecord, Base
from sqlalchemy import select, text
from sqlalchemy.schema import CreateSchema
from support import forked

NAMES = list(DATABASES)
HEAD = Migrations("sqlite://", DATABASES["registry"].tables)._wanted()
LATER = "registry_9999"
SECOND = f'''"""The revision of a later release, which makes a table again on SQLite."""
import sqlalchemy as sa
from alembic import op

revision = "{LATER}"
down_revision = "{HEAD}"


def upgrade():
    with op.batch_alter_table("sessions", recreate="auto") as batch:
        batch.alter_column("model_id", type_=sa.String(300), existing_type=sa.String(256))
        batch.add_column(sa.Column("colour", sa.String(20), server_default="grey"))
'''


@pytest.fixture
def database(new_database):
    return new_database()


@pytest.fixture
def later(tmp_path):
    """The revisions of a later release."""
    folder = shutil.copytree(FOLDER, tmp_path / "migrations")
    (folder / "registry" / "versions" / f"{LATER}.py").write_text(SECOND)
    return folder


def migrations(name, url, folder=FOLDER):
    return Migrations(url.replace("postgresql://", "postgresql+psycopg://"), DATABASES[name].tables, folder)


def run(url, statement, schema="registry"):
    with migration_engine(url.replace("postgresql://", "postgresql+psycopg://"), schema).begin() as connection:
        found = connection.execute(text(statement))
        return found.all() if found.returns_rows else []


def earlier(name, url, revision):
    """Bring a service's empty database to an earlier revision of its tables."""
    made = migrations(name, url)
    with made._locked() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(CreateSchema(made.schema))
        config = made.config()
        config.attributes["connection"] = connection
        alembic.upgrade(config, revision)


def mgw(*arguments, **environ):
    return forked.mgw(*arguments, environ={"PATH": "/usr/bin:/bin", **environ})


def serve(name, url):
    keys = {"VAULT_KEYS": "key", "VAULT_ENCRYPTION_KEYS": new_key()}
    environ = {**keys, f"{name.upper()}_DATABASE_URL": url}
    return forked.finished(forked.SERVICES, [name, "--port", "1"], environ)


@pytest.mark.parametrize("name", NAMES)
def test_the_revisions_make_the_very_tables_that_the_code_uses(database, name):
    made = migrations(name, database)
    assert made.upgrade().state is State.EMPTY
    with migration_engine(made._url, made.schema).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, DATABASES[name].tables) == []


def test_a_change_of_the_code_that_no_revision_makes_is_noticed(database):
    made = migrations("registry", database)
    made.upgrade()
    run(database, "DROP INDEX sessions_by_status")
    with migration_engine(made._url, made.schema).connect() as connection:
        (difference,) = compare_metadata(MigrationContext.configure(connection), DATABASES["registry"].tables)
    assert (difference[0], difference[1].name) == ("add_index", "sessions_by_status")


def test_a_migration_keeps_the_rows_and_what_refers_to_them(database, later):
    migrations("registry", database).prepare()
    session = "1, 's', 'm', '', '2026-01-01', NULL, 'active', '{}', '[]', NULL, NULL, NULL"
    run(database, f"INSERT INTO sessions VALUES ({session})")
    report = "1, 1, 'm', 1, 1, 2, NULL, '2026-01-01', '{}'"
    run(database, f"INSERT INTO usage_reports VALUES ({report})")
    assert migrations("registry", database, later).upgrade().found == HEAD
    assert run(database, "SELECT session_id, colour FROM sessions") == [("s", "grey")]
    assert run(database, "SELECT session_number FROM usage_reports") == [(1,)]


SESSION = "INSERT INTO sessions VALUES (1, 's', 'm', '', '2026-01-01', NULL, 'active', '{}', '[]')"


def test_sums_from_before_tokens_were_counted_by_kind_stay(database):
    earlier("registry", database, "registry_0001")
    run(database, SESSION)
    sums = "5, 10, 20, 30, 0, 0, '2026-01-01', '2026-01-02'"
    run(database, f"INSERT INTO session_usage VALUES (1, {sums})")
    run(database, f"INSERT INTO model_usage VALUES ('m', 1, {sums})")
    migrations("registry", database).upgrade()
    for table in ("session_usage", "model_usage"):
        assert run(database, f"SELECT total_tokens, cached_tokens, audio_tokens FROM {table}") == [(30, 0, 0)]


def add_archives(url, archived_at, count=1, size=0):
    """Archives of so many random bytes, as they were kept before their receipt was."""
    zone = "+00" if url.startswith("postgresql") else ""
    values = {"session_id": "s", "key_id": "k", "wrapped_key": b"", "retention_days": 1, "kept_days": 1}
    values |= {"archived_at": f"{archived_at}{zone}", "kept_until": f"2031-01-01 00:00:00.000000{zone}"}
    rows = [{**values, "archive_id": f"a{n}-{archived_at}", "body": os.urandom(size)} for n in range(count)]
    names = list(rows[0])
    insert = f"INSERT INTO archives ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
    with migration_engine(url.replace("postgresql://", "postgresql+psycopg://"), "vault").begin() as connection:
        connection.execute(text(insert), rows)


def times_of_archive(url, archive_id):
    """When the Vault says that an archive was received, archived and kept until, and when it was received in SQL."""
    storage = Storage(DatabaseUrl().deserialize(url), Base)
    with storage.read() as session:
        found = session.get_one(ArchiveRecord, archive_id)
        in_sql = session.scalar(select(ArchiveRecord.received_at).where(ArchiveRecord.archive_id == archive_id))
        times = found.received_at, found.archived_at, found.kept_until, in_sql
    storage.close()
    return times


@pytest.mark.parametrize(
    ("archived", "is_now"),
    [
        ("2020-01-01 00:00:00.500000", False),
        ("1970-01-01 00:00:00.000000", False),
        ("9000-01-01 00:00:00.000000", True),
    ],
)
def test_archives_from_before_keep_their_retention_and_were_received_by_now(database, archived, is_now):
    earlier("vault", database, "vault_0001")
    add_archives(database, archived)
    began = now()
    migrations("vault", database).upgrade()
    received, told, until, in_sql = times_of_archive(database, f"a0-{archived}")
    assert until == datetime(2031, 1, 1, tzinfo=UTC)
    assert received == in_sql
    assert abs(received - began) < timedelta(minutes=10) if is_now else received == told


@pytest.mark.parametrize("to_come", [0, 3])
def test_archives_from_before_are_not_copied(database, to_come):
    earlier("vault", database, "vault_0001")
    add_archives(database, "2020-01-01 00:00:00.000000", 400, size=8192)
    if to_come:
        add_archives(database, "9000-01-01 00:00:00.000000", to_come, size=8192)
    before = size_of_archives(database)
    migrations("vault", database).upgrade()
    assert size_of_archives(database) - before < before / 10
    assert run(database, "SELECT count(*) FROM archives WHERE received_at IS NOT NULL", "vault") == [(to_come,)]


def size_of_archives(url):
    """Bytes of the database's file, or of the table's rows without their content, which PostgreSQL keeps apart."""
    if url.startswith("postgresql"):
        return run(url, "SELECT pg_relation_size('vault.archives')", "vault")[0][0]
    return run(url, "PRAGMA page_count", "vault")[0][0] * 4096


def test_deletions_from_before_were_received_by_then(database):
    earlier("vault", database, "vault_0001")
    for number, archived in ((1, "2020-01-01"), (2, "9000-01-01")):
        times = f"'{archived} 00:00:00.000000', '2021-01-01 00:00:00.000000', '2022-01-01 00:00:00.000000'"
        run(database, f"INSERT INTO deletions VALUES ({number}, 'a', 's', NULL, {times}, 'request')", "vault")
    migrations("vault", database).upgrade()
    found = run(database, "SELECT received_at FROM deletions ORDER BY number", "vault")
    assert [str(received)[:4] for (received,) in found] == ["2020", "2022"]


def test_usage_reports_of_sessions_that_are_gone_lose_their_metadata(database):
    earlier("registry", database, "registry_0002")
    run(database, SESSION)
    for number, session in ((1, "1"), (2, "NULL")):
        report = f"{number}, {session}, 'm', 1, 1, 2, NULL, '2026-01-01', '[1]'"
        run(database, f"INSERT INTO usage_reports VALUES ({report})")
    migrations("registry", database).upgrade()
    found = run(database, "SELECT session_number, details, total_tokens FROM usage_reports ORDER BY number")
    assert found == [(1, "[1]", 2), (None, "{}", 2)]


KEPT_ANSWER = json.dumps({"session_id": "s", "metadata": {"user": "Ada"}})


def test_stored_responses_from_before_lose_the_metadata_of_sessions(database):
    earlier("registry", database, "registry_0005")
    register, reopen = "POST /api/v1/sessions", "POST /api/v1/sessions/<id:session_id>/reopen"
    rows = [
        {"route": (register, reopen, "another")[number % 3], "key": f"k{number}", "answer": KEPT_ANSWER}
        for number in range(3600)
    ]
    insert = "INSERT INTO answers VALUES (:route, :key, 'f', :answer, '2030-01-01 00:00:00.000000')"
    with migration_engine(database.replace("postgresql://", "postgresql+psycopg://"), "registry").begin() as connection:
        connection.execute(text(insert), rows)
    migrations("registry", database).upgrade()
    found = run(database, "SELECT route, answer FROM answers")
    assert {(route, "Ada" in answer) for route, answer in found} == {
        (register, False),
        (reopen, False),
        ("another", True),
    }
    assert {json.loads(answer)["session_id"] for _, answer in found} == {"s"}


def test_blocks_from_before_learn_when_their_sessions_ended(database):
    earlier("registry", database, "registry_0004")
    sessions = [
        "(1, 's', 'm', '', '2026-01-01', '2026-01-09', 'completed', '{}', '[]')",
        "(2, 't', 'm', '', '2026-01-02', '2026-01-04', 'completed', '{}', '[]')",
        "(3, 'u', 'm', '', '2026-01-03', NULL, 'active', '{}', '[]')",
        "(1025, 'v', 'm', '', '2026-01-03', NULL, 'completed', '{}', '[]')",
    ]
    run(database, f"INSERT INTO sessions VALUES {', '.join(sessions)}")
    blocks = [
        "(0, 'active', 1, '2026-01-03', '2026-01-03')",
        "(0, 'completed', 2, '2026-01-01', '2026-01-02')",
        "(0, 'failed', 0, '2026-01-05', '2026-01-06')",
        "(1, 'completed', 1, '2026-01-03', '2026-01-03')",
    ]
    run(database, f"INSERT INTO session_blocks VALUES {', '.join(blocks)}")
    migrations("registry", database).upgrade()
    found = run(database, "SELECT first_end, last_end FROM session_blocks ORDER BY block, status")
    days = [[str(moment)[8:10] for moment in row] for row in found]
    assert days == [["03", "03"], ["04", "09"], ["05", "06"], ["03", "03"]]


def test_a_migration_that_fails_changes_nothing(database, later):
    migrations("registry", database).prepare()
    broken = later / "registry" / "versions" / f"{LATER}.py"
    broken.write_text(SECOND + '    op.execute("SELECT * FROM no_such_table")\n')
    with pytest.raises(Exception, match="no_such_table"):
        migrations("registry", database, later).upgrade()
    assert migrations("registry", database).status().state is State.CURRENT
    assert run(database, "SELECT * FROM sessions") == []
    with pytest.raises(Exception, match="colour"):
        run(database, "SELECT colour FROM sessions")


def test_a_service_refuses_a_database_that_is_behind_and_says_what_to_run(database, later):
    migrations("registry", database).prepare()
    with pytest.raises(ValueError, match=f"is at {HEAD}, .* needs {LATER}; run: mgw migrate registry"):
        migrations("registry", database, later).prepare()


def test_a_service_refuses_a_database_that_is_ahead(database, later):
    migrations("registry", database, later).prepare()
    ended = serve("registry", database)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert f"{LATER}, which this release does not know; run the release that made it, or restore" in ended.stderr
    assert mgw("migrate", "registry", REGISTRY_DATABASE_URL=database).returncode == 1


def test_a_service_refuses_tables_that_nobody_put_a_version_to(database):
    run(database, "CREATE SCHEMA registry") if database.startswith("postgresql") else None
    run(database, "CREATE TABLE sessions (id INTEGER)")
    ended = serve("registry", database)
    assert (ended.returncode, "no version" in ended.stderr) == (2, True)


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")
def test_two_services_cannot_share_one_sqlite_file(database):
    migrations("registry", database).prepare()
    ended = serve("vault", database)
    assert (ended.returncode, f"another service ({HEAD})" in ended.stderr) == (2, True)


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True, scope="session")
def test_three_services_share_one_postgresql_database_a_schema_each(database):
    done = mgw("migrate", "--json", DATABASE_URL=database)
    wanted = [(report["service"], report["found"], report["error"]) for report in json.loads(done.stdout)["services"]]
    assert wanted == [(name, None, None) for name in NAMES]
    found = run(database, "SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version' ORDER BY 1")
    assert found == [("memory_graph",), ("registry",), ("vault",)]


@pytest.mark.parametrize("name", NAMES)
def test_many_processes_that_start_at_once_make_the_tables_once(database, name):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: migrations(name, database).prepare(), range(12)))
    assert migrations(name, database).status().state is State.CURRENT


def test_mgw_migrate_checks_then_makes_then_has_nothing_to_do(database):
    environ = {"REGISTRY_DATABASE_URL": database}
    checked, made, again, after = (
        mgw("migrate", "registry", *options, **environ) for options in (["--check"], [], [], ["--check"])
    )
    assert [one.returncode for one in (checked, made, again, after)] == [1, 0, 0, 0]
    assert checked.stdout == f"registry: has nothing, needs {HEAD}; run: mgw migrate registry\n"
    assert made.stdout == f"registry: brought from nothing to {HEAD}\n"
    assert again.stdout == after.stdout == f"registry: at {HEAD}\n"


@pytest.mark.parametrize("url", ["postgresql://nobody:hush@127.0.0.1:1/x", "sqlite:////no/such/folder/x.db"])
def test_mgw_migrate_says_that_a_database_is_away_without_its_password(url):
    ended = mgw("migrate", "vault", VAULT_DATABASE_URL=url)
    assert (ended.returncode, "does not answer" in ended.stdout) == (1, True)
    assert "hush" not in ended.stdout + ended.stderr


def test_a_check_makes_no_file(tmp_path):
    ended = mgw("migrate", "--check", "registry", REGISTRY_DATABASE_URL=f"sqlite:///{tmp_path}/new.db")
    assert (ended.returncode, list(tmp_path.iterdir())) == (1, [])


def test_an_sqlite_file_for_all_services_is_refused_with_the_reason():
    ended = mgw("migrate", DATABASE_URL="sqlite:///all.db")
    assert (ended.returncode, "An SQLite file holds one service" in ended.stderr) == (2, True)


def test_a_revision_is_drafted_from_what_the_code_says(tmp_path):
    from memory_graph_workers.services.migrations import __main__ as drafting

    folder = shutil.copytree(FOLDER, tmp_path / "migrations")
    for revision in (folder / "registry" / "versions").glob("*.py"):
        revision.unlink()
    drafting.draft("registry", "The first tables", f"sqlite:///{tmp_path}/draft.db", folder)
    made = migrations("registry", f"sqlite:///{tmp_path}/made.db", folder)
    made.upgrade()
    with migration_engine(made._url, made.schema).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), DATABASES["registry"].tables) == []
