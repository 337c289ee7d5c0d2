"""Whether a pooled connection still lives, found out without a round trip for one that was in use a moment ago."""

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

_TRUSTED_SECS = 5.0  # a network that dropped a connection without a word is found out after this
_IDLE_SINCE = "memory_graph_workers_idle_since"


def check_idle_connections(engine: Engine) -> None:
    """Ask the server before a connection is used that was idle, or whose server sent something meanwhile: its end."""

    def note(connection: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    def check(connection: Any, record: Any, proxy: Any) -> None:
        since = record.info.get(_IDLE_SINCE)  # None: it was made just now
        if since is None or (time.monotonic() - since < _TRUSTED_SECS and not _has_news(connection)):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error  # the pool makes a new one; its other idle connections are as old

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", check)


def _has_news(connection: psycopg.Connection[Any]) -> bool:
    """Whether there is something to read, as there is if the server has closed the connection."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except psycopg.Error:  # closed on our side
        return True
