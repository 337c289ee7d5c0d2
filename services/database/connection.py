"""A service's connection to PostgreSQL, with the settings that its statements rely on, behind a pooler or not."""

from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus

from .timeouts import TimedConnection, connect_secs

# A client waits 30 s: a statement, or the wait for a server that does not respond, must end well before.
_LIMITS = {"statement_timeout": "8s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s"}
# In UTC, because the driver cannot read the last day of the calendar in a time zone east of it. Poolers keep the time
# zone of each client. One in transaction mode does not show the server's process id at login, and lends sessions.
_INTRODUCTION = "SELECT pg_backend_pid(), set_config('TimeZone', 'UTC', false)"


class ServiceConnection(TimedConnection):
    """A connection whose transactions run under a service's settings, in a session of its own or a lent one.

    A pooler in transaction mode lends each transaction a session of the server that others use before and after. So
    each transaction brings its settings, `opening`, and nothing is prepared. In a session of its own they are set once.
    """

    opening = ""

    def adopt(self, schema: str) -> None:
        """Set what all transactions need, in the session or for each of them."""
        process_id, _ = self.execute(_INTRODUCTION).fetchone() or (None, None)
        settings = {"search_path": schema, **_LIMITS}
        if process_id == self.info.backend_pid:
            self.execute(_setting(settings, local=False).encode())
        else:
            self.opening, self.prepare_threshold = _setting(settings, local=True), None

    def run_alone(self, statement: str, values: Any) -> list[Any]:
        """Run a statement that is a transaction by itself, in one round trip, and return its rows."""
        execute: Any = self.execute  # which wants texts that the type checker knows
        if not self.opening:
            return execute(statement, values, prepare=True).fetchall()
        try:
            with self.pipeline():  # which the server takes for one transaction
                execute(self.opening)
                found = execute(statement, values)
        except psycopg.Error:
            if self.info.transaction_status is not TransactionStatus.IDLE:
                self.close()  # the driver has not noticed that the session is lost
            raise
        return found.fetchall()


def connect(schema: str, *arguments: Any, **named: Any) -> ServiceConnection:
    """Connect a service that keeps its tables in a schema.

    Raises: psycopg.OperationalError if the server does not respond in time.
    """
    # A statement by itself is a transaction; one of several statements says where it begins.
    connection = ServiceConnection.connect(
        *arguments, **{"connect_timeout": connect_secs(), "autocommit": True, **named}
    )
    connection.adapters.register_loader("timestamptz", _TimeLoader)
    try:
        connection.adopt(schema)
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _setting(settings: dict[str, str], *, local: bool) -> str:
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in settings.items())


class _TimeLoader(Loader):
    """Reads a time; of one that Python cannot hold, such as `infinity`, its bytes: the driver would fail all rows."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        usual = psycopg.adapters.get_loader(oid, psycopg.pq.Format.TEXT)
        self._load = usual(oid, context).load if usual else bytes

    def load(self, data: Buffer) -> Any:
        """Return the time or the bytes."""
        try:
            return self._load(data)
        except psycopg.DataError:
            return bytes(data)
