"""Proxies of the environment: which calls take them, and that they neither hold a call nor see its key."""

import ssl
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator

import pytest
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.errors import ConnectionError, InvalidConfig, Timeout
from memory_graph_workers.clients.http import Transport
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE
from support.fakes.http_server import Connection, FakeServer, Step, answer, drip, hang, tunnel
from support.fakes.one_session import HEAD_BYTES, SESSION, once
from support.waiting import SOON_SECS


@pytest.fixture
def tls_proxy(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer(tls) as running:
        monkeypatch.setenv("https_proxy", running.url)
        yield running


def test_a_proxy_of_the_environment_is_used(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    with RegistryClient(RegistryConfig("http://registry.test:81"), retry_policy=ONCE) as client:
        client.delete_session("a/b")
    assert server.requests[0].path == "http://registry.test:81/api/v1/sessions/a%2Fb"


def test_a_proxys_password_goes_to_the_proxy_alone(
    tls_server: FakeServer, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url.replace("//", "//user:p%40ss@"))
    server.default = tunnel(tls_server.port)
    with RegistryClient(RegistryConfig("https://registry.test", timeout_secs=5), retry_policy=ONCE) as client:
        client.delete_session("s")
    assert server.requests[0].headers["proxy-authorization"] == f"Basic {b64encode(b'user:p@ss').decode()}"
    assert "proxy-authorization" not in tls_server.requests[0].headers


@pytest.mark.parametrize("proxy", ["socks5://user:canary@proxy.test", "http://user:canary@[::1", "http://"])
def test_a_proxy_that_cannot_be_used_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(InvalidConfig, match="HTTPS_PROXY") as caught:
        RegistryClient(RegistryConfig("https://registry.test"))
    assert "canary" not in "".join(traceback.format_exception(caught.value))


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
    assert time.monotonic() - started < SOON_SECS


def test_a_proxy_that_refuses_is_not_quoted(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    server.answers(lambda connection: connection.send(b"HTTP/1.1 407 secret-words\r\nContent-Length: 0\r\n\r\n"))
    config = RegistryConfig("https://registry.test", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError) as caught:
        client.get_session("s")
    assert "secret-words" not in "".join(traceback.format_exception(caught.value))


def test_a_tunnel_that_opens_late_leaves_the_handshake_what_is_left(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens_and_hangs(connection: Connection) -> None:
        connection.pause(0.8)
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.pause(60)

    monkeypatch.setenv("https_proxy", server.url)
    server.answers(opens_and_hangs)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=1.1)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises((Timeout, ConnectionError)):
        client.get_session("s")
    assert 0.9 < time.monotonic() - started < SOON_SECS


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


def test_a_tls_service_behind_a_tls_proxy_answers_over_one_tunnel(
    tls_server: FakeServer, tls_proxy: FakeServer
) -> None:
    tls_server.default = answer(200, SESSION[HEAD_BYTES:])
    tls_proxy.default = tunnel(tls_server.port)
    config = RegistryConfig("https://registry.test", "key-canary-5Vq", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client:
        assert [client.get_session("s").session_id for _ in range(3)] == ["s"] * 3
    assert [(request.method, request.path) for request in tls_proxy.requests] == [("CONNECT", "registry.test:443")]
    assert [request.path for request in tls_server.requests] == ["/api/v1/sessions/s"] * 3
    assert "authorization" not in tls_proxy.requests[0].headers


def test_large_bodies_go_both_ways_through_tls_inside_tls(tls_server: FakeServer, tls_proxy: FakeServer) -> None:
    sent, received = b"x" * 3_000_000, b"y" * 3_000_000
    tls_server.default = answer(200, received)
    tls_proxy.default = tunnel(tls_server.port)
    transport = Transport("https://registry.test")
    for _ in range(2):
        assert transport.exchange("POST", "/", {}, sent, 20)[1] == received
    transport.close()
    assert [request.body for request in tls_server.requests] == [sent] * 2


@pytest.mark.parametrize("step", [drip(SESSION, HEAD_BYTES - 2), hang], ids=["drips", "hangs"])
def test_no_call_through_tls_inside_tls_outlives_its_deadline(
    tls_server: FakeServer, tls_proxy: FakeServer, step: Step
) -> None:
    tls_server.default = step
    tls_proxy.default = tunnel(tls_server.port)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=0.5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(Timeout):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS


@pytest.mark.parametrize("step", [drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500), hang], ids=["drips", "hangs"])
def test_a_tls_proxy_that_never_opens_its_tunnel_does_not_hold_a_call(tls_proxy: FakeServer, step: Step) -> None:
    tls_proxy.answers(step)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=0.5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises((Timeout, ConnectionError)):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS


def test_a_tls_proxy_that_nobody_trusts_is_asked_for_nothing(
    tls_proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    config = RegistryConfig("https://registry.test", "key-canary-5Vq", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError, match="certificate"):
        client.get_session("s")
    assert tls_proxy.requests == []


@pytest.mark.parametrize("parts", [0, 1], ids=["handshake", "answer"])
def test_a_tls_tunnel_that_drips_does_not_hold_a_call(
    tls_server: FakeServer, tls_proxy: FakeServer, parts: int
) -> None:
    tls_proxy.default = tunnel(tls_server.port, drips_after=parts)
    started = time.monotonic()
    config = RegistryConfig("https://registry.test", timeout_secs=0.5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises((Timeout, ConnectionError)):
        client.get_session("s")
    assert time.monotonic() - started < SOON_SECS


def test_plain_http_goes_through_a_tls_proxy_over_one_connection(
    tls_proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", tls_proxy.url)
    with RegistryClient(RegistryConfig("http://registry.test:81"), retry_policy=ONCE) as client:
        for _ in range(2):
            client.delete_session("a/b")
    assert tls_proxy.requests[0].path == "http://registry.test:81/api/v1/sessions/a%2Fb"
    assert tls_proxy.connections == 1


def test_plain_http_is_not_sent_to_a_tls_proxy_that_nobody_trusts(
    tls_proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", tls_proxy.url)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    config = RegistryConfig("http://registry.test:81", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError, match="certificate"):
        client.delete_session("s")
    assert tls_proxy.requests == []
