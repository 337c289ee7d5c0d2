"""The proxy leaves no connection behind when it ends, whatever was under way."""

import gc
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from faults.fleet import until
from faults.proxy import Proxy
from memory_graph_workers.cli.stack.ports import LOOPBACK
from support.fakes.http_server import FakeServer, Step, answer, cut, cut_after, hang, whole

pytestmark = pytest.mark.short
REQUEST = b"GET / HTTP/1.1\r\nHost: there\r\n\r\n"


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fails where what was made in the block is collected while it is open still."""
    with warnings.catch_warnings(record=True, action="always") as left:
        yield
        gc.collect()
    assert [str(one.message) for one in left] == []


def connected(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), 5)


def ends(client: socket.socket) -> bool:
    """Whether the connection is at its end, or comes to it."""
    try:
        while client.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("number", [1, 2, 50])
def test_connections_that_come_at_the_last_moment_are_closed(number: int) -> None:
    with FakeServer() as server, ExitStack() as exits, nothing_left_open():
        with Proxy(server.port) as proxy:
            proxy._loop.call_soon_threadsafe(time.sleep, 0.2)  # what comes meanwhile is accepted beside the end
            clients = [exits.enter_context(connected(proxy.port)) for _ in range(number)]
        assert all(map(ends, clients))


STEPS = {
    "hangs": hang,
    "cuts": cut,
    "cuts the answer": cut_after(whole(200, {})[:-1]),
    "answers": answer(200, {}),
}


@pytest.mark.parametrize("client_stays", [True, False])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_whoever_leaves_in_the_middle_both_connections_are_closed(step: Step, client_stays: bool) -> None:
    with FakeServer() as server, ExitStack() as exits, nothing_left_open():
        server.default = step
        with Proxy(server.port) as proxy:
            client = exits.enter_context(connected(proxy.port))
            client.sendall(REQUEST)
            until(lambda: server.requests, 5, "the request at the service")
            if not client_stays:
                client.close()
        assert not client_stays or ends(client)
