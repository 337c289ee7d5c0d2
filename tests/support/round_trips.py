"""How often PostgreSQL was waited for, by the log of its own client library."""

from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryFile

from memory_graph_workers.services.database.storage import Storage
from sqlalchemy import event


@contextmanager
def round_trips(storage: Storage) -> Generator[list[str]]:
    """The round trips of what is done inside, known once it has ended."""
    found: list[str] = []
    traced = []
    with TemporaryFile("w+") as log:

        def trace(connection, record, proxy):
            connection.pgconn.trace(log.fileno())
            traced.append(connection)

        event.listen(storage._engine, "checkout", trace)
        yield found
        event.remove(storage._engine, "checkout", trace)
        for connection in traced:
            connection.pgconn.untrace()
        log.seek(0)
        found += [line for line in log if "ReadyForQuery" in line]
