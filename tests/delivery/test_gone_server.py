"""A server whose machine is gone, or cut off: no packet comes from it, not even a refusal."""

import socket
from typing import Any

import pytest
from memory_graph_workers.delivery.connections.connection import connect
from support.broker import Broker

NAMES = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone bounds how long data may go unanswered"
)
def test_the_kernel_gives_a_connection_up_after_seconds_without_a_sign_of_the_server(broker: Broker) -> None:
    with connect(broker.url, timeout_secs=30, connect_timeout_secs=5) as redis:
        pool: Any = redis.connection_pool
        connection = pool.get_connection()
        told = {name: connection._sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in NAMES}
        pool.release(connection)
    idle_secs, every_secs, times, unanswered_ms = told.values()
    assert unanswered_ms / 1000 <= idle_secs + every_secs * times <= 5


def test_a_connection_by_a_unix_socket_has_no_such_bounds(broker: Broker) -> None:
    with connect(f"unix://{broker.folder}/socket", timeout_secs=30, connect_timeout_secs=5) as redis:
        assert redis.ping()
