"""docs/outbox.md: the table that it shows is the one that `create` makes, and its applications write into it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient
from memory_graph_workers import outbox
from sqlalchemy import Engine, String, inspect, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.broker import Broker
from support.outbox import Database, Relay, sent
from support.waiting import LONGEST_SECS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "outbox.md").read_text()


def columns(database: Database) -> dict[str, tuple[str, bool]]:
    found = inspect(database.engine).get_columns(outbox.TABLE)
    return {column["name"]: (str(column["type"]), column["nullable"]) for column in found}


def test_the_table_of_the_document_is_that_of_create(
    database: Database, broker: Broker, relay: Callable[..., Relay]
) -> None:
    (statement,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    made = columns(database)
    outbox.table.outbox_table().drop(database.engine)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    written = columns(database)
    if database.engine.dialect.name == "sqlite":  # which takes any type, and keeps none
        made, written = ({name: ("", null) for name, (_, null) in found.items()} for found in (made, written))
    assert written == made
    ids = database.write(2)
    assert relay("--once").wait(LONGEST_SECS) == 0
    assert sent(broker) == dict.fromkeys(ids, 1)


class Base(DeclarativeBase):
    """What the applications of the page keep."""


class Conversation(Base):
    """A conversation, as the page supposes one."""

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String, primary_key=True)


def program(heading: str) -> str:
    """The first program below a heading."""
    return re.findall(r"^```py\n(.*?)^```", PAGE.partition(f"### {heading}\n")[2], re.DOTALL | re.MULTILINE)[0]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An application's database with its own table, too."""
    database = Database(f"sqlite:///{tmp_path}/app.db")
    Base.metadata.create_all(database.engine)
    yield database
    database.engine.dispose()


def begun(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return list(connection.execute(select(Conversation.id)).scalars())


def test_the_fastapi_application_writes_both_or_nothing(sqlite: Database) -> None:
    names: dict[str, Any] = {"engine": sqlite.engine, "Conversation": Conversation}
    exec(program("FastAPI"), names)
    client = TestClient(names["app"], raise_server_exceptions=False)
    said = client.post("/conversations/s-1")
    assert [row.id for row in sqlite.rows()] == [said.json()["task_id"]]
    assert json.loads(sqlite.rows()[0].parameters)["registration"]["session_id"] == "s-1"
    assert client.post("/conversations/s-1").status_code == 500  # which is there already
    assert (begun(sqlite), sqlite.count()) == (["s-1"], 1)


IN_DJANGO = """
import sys
import django
from django.conf import settings
from django.db import IntegrityError, models

sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}
settings.configure(INSTALLED_APPS=[], DATABASES={"default": sqlite})
django.setup()


class Conversation(models.Model):
    id = models.CharField(primary_key=True, max_length=256)

    class Meta:
        app_label, db_table = "app", "conversations"


# the page's program
print(begin("s-1"))
try:
    begin("s-1")
except IntegrityError:
    print("refused")
"""


def test_the_django_application_writes_both_or_nothing(sqlite: Database, tmp_path: Path) -> None:
    code = IN_DJANGO.replace("# the page's program\n", program("Django"))
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "app.db"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    task_id, refused = done.stdout.splitlines()
    assert ([row.id for row in sqlite.rows()], refused) == ([task_id], "refused")
    assert begun(sqlite) == ["s-1"]


def test_alembic_leaves_the_table_alone(sqlite: Database) -> None:
    (option,) = re.findall(r"`include_name=(lambda .*?)`", PAGE)
    assert changes(sqlite.engine, lambda name, kind, parents: True) == ["remove_table"]
    assert changes(sqlite.engine, eval(option, {"outbox": outbox})) == []


def changes(engine: Engine, include_name: Callable[..., bool]) -> list[str]:
    """What Alembic would do to a database that has our table, and to whose models it is unknown."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": include_name})
        return [change[0] for change in compare_metadata(context, Base.metadata)]
