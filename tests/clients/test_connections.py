"""Connections: TLS, when one is used again, who shares it, and when it is closed."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy
from memory_graph_workers.clients.errors import (
    ConnectionError,
    HttpError,
    InvalidConfig,
    Refused,
)
from memory_graph_workers.clients.http import Transport
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.schemas.registry import SessionStatus
from support.fakes.http_server import (
    Connection,
    FakeServer,
    after,
    cut_after,
    whole,
)
from support.fakes.one_session import SESSION, once
from support.waiting import LONGEST_SECS, SOON_SECS


def test_tls_with_a_trusted_certificate_works(tls_server: FakeServer) -> None:
    tls_server.answers(lambda connection: connection.send(SESSION))
    with once(tls_server) as client:
        assert client.get_session("s").status is SessionStatus.ACTIVE


def test_a_certificate_nobody_trusts_sends_nothing(tls_server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with once(tls_server) as client, pytest.raises(ConnectionError, match="certificate"):
        client.get_session("s")
    assert tls_server.requests == []


def test_plain_http_behind_an_https_address_sends_nothing(server: FakeServer) -> None:
    server.before_reading = cut_after(whole(400))
    config = RegistryConfig(server.url.replace("http:", "https:"), "k", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError, match="TLS"):
        client.get_session("s")


def junk_in_tls(connection: Connection) -> None:
    """Break the TLS stream after the request was read."""
    plain = connection.request.detach()
    with socket.socket(fileno=plain) as broken:
        broken.sendall(b"\x17\x03\x03\x00\x20" + b"junk" * 8)
    connection.open = False


def test_tls_that_breaks_after_the_request_may_have_done_its_work(tls_server: FakeServer) -> None:
    tls_server.answers(junk_in_tls)
    with once(tls_server) as client, pytest.raises(HttpError) as caught:
        client.get_session("s")
    assert caught.value.maybe_done
    assert len(tls_server.requests) == 1


def test_nobody_listening_is_a_connection_error(server: FakeServer) -> None:
    config = RegistryConfig("http://127.0.0.1:1", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError) as caught:
        client.get_session("s")
    assert not caught.value.maybe_done
    assert caught.value.status is None


def test_a_connection_is_used_again(server: FakeServer) -> None:
    with once(server) as client:
        for _ in range(5):
            client.delete_session("s")
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_is_used_again_after_a_refusal_and_a_redirect(server: FakeServer) -> None:
    server.answers(404, 302, 500, 200)
    with RegistryClient(RegistryConfig(server.url), retry_policy=RetryPolicy(initial_delay_secs=0)) as client:
        client.delete_session("s")
        with pytest.raises(Refused):
            client.delete_session("s")
        client.delete_session("s")
    assert (len(server.requests), server.connections) == (4, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(server: FakeServer) -> None:
    server.answers(cut_after(whole(200, {})))
    with once(server) as client:
        client.delete_session("s")
        time.sleep(0.1)
        client.delete_session("s")
    assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used_again(server: FakeServer) -> None:
    transport = Transport(server.url, idle_limit_secs=0.2)
    for pause_secs in (0, 0, 0.4):
        time.sleep(pause_secs)
        transport.exchange("GET", "/", {}, None, 5)
    transport.close()
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_client_that_was_closed_connects_again(server: FakeServer) -> None:
    transport = Transport(server.url)
    for _ in range(2):
        transport.exchange("GET", "/", {}, None, 5)
        transport.close()
    assert (len(server.requests), server.connections) == (2, 2)


def test_certificates_that_are_not_there_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(InvalidConfig, match=r"REQUESTS_CA_BUNDLE.*missing\.pem"):
        Transport("https://registry.test")


def test_sixteen_threads_share_a_client(server: FakeServer) -> None:
    server.default = after(1, lambda connection: connection.send(SESSION))
    started = time.monotonic()
    with once(server) as client, ThreadPoolExecutor(16) as threads:
        found = list(threads.map(client.get_session, ["s"] * 16))
    assert len(found) == 16
    assert time.monotonic() - started < SOON_SECS
    assert len(server.requests) == 16


def test_leaving_the_context_closes_the_connections(server: FakeServer) -> None:
    gone = threading.Event()

    def watch(connection: Connection) -> None:
        connection.send(SESSION)
        if not connection.request.recv(1):
            gone.set()
        connection.open = False

    server.answers(watch)
    with once(server) as client:
        client.get_session("s")
        assert not gone.is_set()
    assert gone.wait(LONGEST_SECS)
