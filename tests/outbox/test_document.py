"""docs/outbox.md: the table that it shows is the one that `create` makes."""

import re
from collections.abc import Callable
from pathlib import Path

from memory_graph_workers import outbox
from sqlalchemy import inspect
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
