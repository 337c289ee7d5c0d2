"""Waiting for replicas: what was written counts once enough of them have it.

Redis replicates asynchronously, so a primary that is lost takes with it what its replicas had not received. `WAIT` does
not undo a write; it counts the replicas that have what its own connection wrote.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from redis.exceptions import RedisError, ResponseError

from ..errors import DeliveryUncertain
from .replies import summary_of

_OF_READ_TIMEOUT = 2 / 3  # a replica is waited for so long: WAIT must respond before its connection gives up
_READ_TIMEOUT_SECS = 3.0  # where a connection has none


def write(pipe: Any, min_replicas: int, task_ids: Sequence[str] = ()) -> list[Any]:
    """Execute a pipeline of redis-py, and return its replies once `min_replicas` replicas have what it wrote.

    The replies are those of Redis, as they came.
    Raises: DeliveryUncertain if fewer have it in time, or if that cannot be known; whatever `execute` raises.
    """
    if not min_replicas:
        return pipe.execute()
    commands = [arguments for arguments, _ in pipe.command_stack]
    if pipe.transaction:  # in a transaction WAIT does not wait, so it follows
        commands = [("MULTI",), *commands, ("EXEC",)]
    pool = pipe.connection_pool
    connection = pool.get_connection()
    try:
        exchange = partial(_exchange, connection, commands, min_replicas)
        found = connection.retry.call_with_retry(exchange, partial(_drop, connection))
    except BaseException:
        connection.disconnect()  # a late response would be taken for that of the next command
        raise
    finally:
        pool.release(connection)
        pipe.reset()
    *replies, confirmed = found
    _raise_first(replies)
    if pipe.transaction:
        _raise_first(replies := replies[-1])
    if isinstance(confirmed, Exception):
        raise DeliveryUncertain(0, min_replicas, task_ids, summary_of(confirmed)) from confirmed
    if confirmed < min_replicas:
        raise DeliveryUncertain(confirmed, min_replicas, task_ids)
    return replies


def _exchange(connection: Any, commands: list[Any], min_replicas: int) -> list[Any]:
    """Send commands and a WAIT at once, over one connection; return each reply, or the error in its place."""
    wait_ms = int(1000 * _OF_READ_TIMEOUT * (connection.socket_timeout or _READ_TIMEOUT_SECS))
    connection.send_packed_command(connection.pack_commands([*commands, ("WAIT", min_replicas, wait_ms)]))
    replies = [_reply(connection) for _ in commands]
    try:
        return [*replies, connection.read_response()]
    except (RedisError, OSError) as error:  # no lost connection to anybody: what was written would be sent again
        connection.disconnect()
        return [*replies, error]


def _drop(connection: Any, error: Exception) -> None:
    connection.disconnect()


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _raise_first(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
