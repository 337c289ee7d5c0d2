"""Slow servers: no call outlives its deadline."""

import signal
import socket
import time
from collections.abc import Iterator

import pytest
import urllib3
from memory_graph_workers.clients.config import VaultConfig
from memory_graph_workers.clients.deadline import DeadlineSocket, DeadlineTLSSocket
from memory_graph_workers.clients.errors import Timeout
from memory_graph_workers.clients.http import Transport
from memory_graph_workers.clients.pools import make_pools
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.vault import ArchiveEntry
from support.fakes.http_server import (
    Connection,
    FakeServer,
    Step,
    drip,
    hang,
)
from support.fakes.one_session import HEAD_BYTES, SESSION, once
from support.waiting import SOON_SECS


@pytest.mark.parametrize(
    "step",
    [hang, drip(SESSION), drip(SESSION, HEAD_BYTES), drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 25)],
    ids=["silence", "dripping header", "dripping body", "endless interim answers"],
)
@pytest.mark.parametrize("kind", ["server", "tls_server"])
def test_no_call_outlives_its_deadline(request: pytest.FixtureRequest, kind: str, step: Step) -> None:
    server: FakeServer = request.getfixturevalue(kind)
    server.answers(step)
    started = time.monotonic()
    with once(server, timeout_secs=0.5) as client, pytest.raises(Timeout):
        client.get_session("s")
    assert 0.4 < time.monotonic() - started < SOON_SECS
    assert len(server.requests) == 1


def sip(connection: Connection) -> None:
    """Read what is sent very slowly."""
    while connection.request.recv(2048):
        connection.pause(0.05)


@pytest.mark.parametrize("kind", ["server", "tls_server"])
def test_a_server_that_reads_slowly_does_not_hold_a_call(request: pytest.FixtureRequest, kind: str) -> None:
    server: FakeServer = request.getfixturevalue(kind)
    server.before_reading = sip
    entry, started = ArchiveEntry("s", "x" * 20_000_000, 365), time.monotonic()
    with VaultClient(VaultConfig(server.url, "k", timeout_secs=1), retry_policy=ONCE) as client, pytest.raises(Timeout):
        client.archive_session(entry)
    assert time.monotonic() - started < SOON_SECS


def test_health_waits_five_seconds_at_most(server: FakeServer) -> None:
    server.answers(hang)
    started = time.monotonic()
    with once(server, timeout_secs=30) as client, pytest.raises(Timeout):
        client.health_check()
    assert 4.5 < time.monotonic() - started < SOON_SECS


BUMPED = """urllib3 {} no longer opens its sockets in HTTPConnection._new_conn, or does not use the classes that it
is given: a deadline would hold between two bytes alone. See docs/decisions/why-requests-and-urllib3.md."""


@pytest.mark.parametrize(("kind", "wanted"), [("server", DeadlineSocket), ("tls_server", DeadlineTLSSocket)])
def test_urllib3_lets_the_deadline_into_its_sockets(
    request: pytest.FixtureRequest, kind: str, wanted: type[socket.socket]
) -> None:
    url = request.getfixturevalue(kind).url
    pool = make_pools(url, 1, 90).connection_from_url(url)
    pool.urlopen("GET", "/")
    connection = pool.pool.get()  # type: ignore[union-attr]
    assert type(connection.sock) is wanted, BUMPED.format(urllib3.__version__)
    connection.close()


def test_a_kept_connection_keeps_to_a_shorter_deadline(server: FakeServer) -> None:
    transport = Transport(server.url)
    transport.exchange("GET", "/", {}, None, 30)
    server.answers(hang)
    started = time.monotonic()
    with pytest.raises(Timeout):
        transport.exchange("GET", "/", {}, None, 1.5)
    transport.close()
    assert 1.3 < time.monotonic() - started < SOON_SECS
    assert server.connections == 1


def test_signals_do_not_lengthen_the_deadline(server: FakeServer, timer: list[int]) -> None:
    server.answers(hang)
    started = time.monotonic()
    with once(server, timeout_secs=0.5) as client, pytest.raises(Timeout):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS
    assert len(timer) > 2


@pytest.fixture
def timer() -> Iterator[list[int]]:
    """A signal every tenth of a second, as a profiler has it."""
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    yield seen
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Cooperative(socket.socket):
    """A socket as gevent's, whose descriptor never blocks."""

    def settimeout(self, value: float | None) -> None:
        super().settimeout(1000 if value is None else value)


def test_a_socket_that_never_blocks_keeps_to_the_deadline(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers(hang)
    monkeypatch.setattr(socket, "socket", Cooperative)
    started = time.monotonic()
    with once(server, timeout_secs=0.5) as client, pytest.raises(Timeout):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS
