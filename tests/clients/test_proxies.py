"""Proxies of the environment: which calls take them, and that they neither hold a call nor see its key."""

import time

import pytest
from fakes.http_server import Connection, FakeServer, Step, answer, drip, hang
from fakes.one_session import SESSION, once
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.errors import ConnectionError, Timeout
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE


def test_a_proxy_of_the_environment_is_used(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    with RegistryClient(RegistryConfig("http://registry.test:81"), retry_policy=ONCE) as client:
        client.delete_session("a/b")
    assert server.requests[0].path == "http://registry.test:81/api/v1/sessions/a%2Fb"


def test_a_proxy_that_drips_does_not_hold_a_call(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.answers(drip(SESSION))
    config = RegistryConfig("http://registry.test:81", timeout_secs=0.5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(Timeout):
        client.get_session("s")


@pytest.mark.parametrize("step", [drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500), hang], ids=["drips", "hangs"])
def test_a_tunnel_that_never_opens_does_not_hold_a_call(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    server.answers(step)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=0.5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises((Timeout, ConnectionError)):
        client.get_session("s")
    assert server.requests[0].method == "CONNECT"
    assert time.monotonic() - started < 2


def test_a_tunnel_that_opens_late_leaves_the_handshake_what_is_left(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens_and_hangs(connection: Connection) -> None:
        connection.pause(0.8)
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.pause(5)

    monkeypatch.setenv("https_proxy", server.url)
    server.answers(opens_and_hangs)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=1.1)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises((Timeout, ConnectionError)):
        client.get_session("s")
    assert 0.9 < time.monotonic() - started < 1.6


def test_a_tunnel_that_is_refused_sends_nothing(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    server.answers(answer(403, "denied"))
    config = RegistryConfig("https://registry.test", "key-canary-5Vq")
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError):
        client.get_session("s")
    (request,) = server.requests
    assert (request.method, request.path) == ("CONNECT", "registry.test:443")
    assert "authorization" not in request.headers


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_what_is_for_this_host_does_not_leave_it_by_a_proxy(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with once(server) as client:
        client.delete_session("s")
    assert server.requests[0].path == "/api/v1/sessions/s"


def test_addresses_that_need_no_proxy_get_none(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "registry.test")
    config = RegistryConfig("http://registry.test:1", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError):
        client.delete_session("s")
    assert server.requests == []
