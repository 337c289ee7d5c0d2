"""Slow, broken and lying servers: what a call becomes, and that no call outlives its deadline."""

import signal
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.deadline import DeadlineSocket, DeadlineTLSSocket
from memory_graph_workers.clients.errors import (
    ConnectionError,
    HttpError,
    IntegrationError,
    InvalidConfig,
    Refused,
    SerializationError,
    Timeout,
)
from memory_graph_workers.clients.http import Transport
from memory_graph_workers.clients.pools import make_pools
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from support.fakes.http_server import (
    JSON_HEADERS,
    Connection,
    FakeServer,
    Step,
    after,
    answer,
    bomb,
    cut,
    cut_after,
    drip,
    hang,
    reset,
    whole,
)
from support.fakes.one_session import HEAD_BYTES, SESSION, once
from support.waiting import LONGEST_SECS, SOON_SECS


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


PACKED = {**JSON_HEADERS, "Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (cut, HttpError),
        (reset, HttpError),
        (cut_after(SESSION[:-5]), HttpError),
        (cut_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"), HttpError),
        (cut_after(b"220 smtp.example ESMTP\r\n"), HttpError),
        (answer(200, b"not gzip at all", PACKED), HttpError),
        (answer(200, "<html>Welcome</html>", {"Content-Type": "text/html"}), SerializationError),
        (answer(200, SESSION[HEAD_BYTES:-5]), SerializationError),
        (answer(200, b""), SerializationError),
        (answer(204), SerializationError),
        (answer(200, b"\xff\xfe\x00{"), SerializationError),
        (answer(200, "[" * 100_000), SerializationError),
        (answer(200, "1" * 10_000), SerializationError),
        (answer(200, []), SerializationError),
        (answer(200, None), SerializationError),
        (answer(200, {"session_id": "s"}), SerializationError),
        (answer(302, {}, {"Location": "/api/v1/sessions/other"}), Refused),
        (answer(307, {}, {"Location": "/api/v1/sessions/other"}), Refused),
        (answer(304), Refused),
        (answer(418, {}), Refused),
    ],
)
def test_broken_answers_become_the_matching_error(server: FakeServer, step: Step, kind: type[IntegrationError]) -> None:
    server.answers(step)
    with once(server) as client, pytest.raises(kind) as caught:
        client.get_session("s")
    assert type(caught.value) is kind
    assert (caught.value.service, caught.value.operation) == ("registry", "get_session")
    assert len(server.requests) == 1


CHUNKED = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize("raw", [whole(200, {}), CHUNKED[:-4]], ids=["length", "chunks"])
def test_an_answer_cut_at_any_byte_is_a_broken_transfer(server: FakeServer, raw: bytes) -> None:
    for length in range(len(raw)):
        server.answers(cut_after(raw[:length]))
        with once(server) as client, pytest.raises(HttpError):
            client.get_session("s")


@pytest.mark.parametrize(
    "raw",
    [bomb(200 * 2**20), whole(200, b" " * (65 * 2**20))],
    ids=["gzip bomb", "plain"],
)
def test_an_answer_over_64_mib_is_an_error_and_not_tried_again(server: FakeServer, raw: bytes) -> None:
    server.answers(cut_after(raw))
    client = RegistryClient(RegistryConfig(server.url, timeout_secs=20))
    with client, pytest.raises(SerializationError, match="over 64 MiB") as caught:
        client.get_session("s")
    assert caught.value.status == 200
    assert len(server.requests) == 1


@pytest.mark.parametrize("size_bytes", [0, 1, 2**16, 2**16 + 1, 48 * 2**20])
def test_a_response_takes_its_size_in_memory_once(server: FakeServer, size_bytes: int) -> None:
    raw = whole(200, b"x" * size_bytes)
    server.answers(cut_after(raw))
    transport = Transport(server.url)
    tracemalloc.start()
    try:
        _, body = transport.exchange("GET", "/", {}, None, 20)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        transport.close()
    assert len(body) == size_bytes
    assert peak_bytes < 1.3 * size_bytes + 2 * 2**20


def test_nobody_listening_is_a_connection_error(server: FakeServer) -> None:
    config = RegistryConfig("http://127.0.0.1:1", timeout_secs=5)
    with RegistryClient(config, retry_policy=ONCE) as client, pytest.raises(ConnectionError) as caught:
        client.get_session("s")
    assert not caught.value.maybe_done
    assert caught.value.status is None


def test_health_waits_five_seconds_at_most(server: FakeServer) -> None:
    server.answers(hang)
    started = time.monotonic()
    with once(server, timeout_secs=30) as client, pytest.raises(Timeout):
        client.health_check()
    assert 4.5 < time.monotonic() - started < SOON_SECS


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


def test_certificates_that_are_not_there_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(InvalidConfig, match=r"REQUESTS_CA_BUNDLE.*missing\.pem"):
        Transport("https://registry.test")


@pytest.mark.parametrize("value", ["two\r\nLines: 1", "two\nLines: 1", "\u2603"])
def test_a_header_that_would_break_the_head_is_refused(server: FakeServer, value: str) -> None:
    transport = Transport(server.url)
    with pytest.raises((ValueError, HttpError)):
        transport.exchange("GET", "/", {"X-Request-ID": value}, None, 5)
    transport.close()
    assert not server.requests


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


def test_hints_before_the_answer_are_passed_over(server: FakeServer) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    server.default = lambda connection: connection.send(hint * 3 + SESSION)
    with once(server) as client:
        assert [client.get_session("s").session_id for _ in range(3)] == ["s"] * 3


@pytest.mark.parametrize(
    "head",
    ["HTTP/1.1 200 OK\r\nContent-Length: 5, 5", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked"],
    ids=["two lengths", "pieces of nothing"],
)
def test_no_head_makes_an_endless_answer_a_short_one(server: FakeServer, head: str) -> None:
    piece = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    server.answers(lambda connection: [connection.send(part) for part in [f"{head}\r\n\r\n".encode(), *[piece] * 70]])
    with once(server) as client, pytest.raises(SerializationError, match="64 MiB"):
        client.get_session("s")


def test_a_piece_of_negative_length_is_a_broken_transfer(server: FakeServer) -> None:
    server.answers(cut_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n"))
    with once(server) as client, pytest.raises(HttpError):
        client.get_session("s")


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


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("gpt-3.5-turbo:20230327", "gpt-3.5-turbo%3A20230327"),
        ("meta-llama/Llama-3-8B", "meta-llama%2FLlama-3-8B"),
        ("größe 世界", "gr%C3%B6%C3%9Fe%20%E4%B8%96%E7%95%8C"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c&d=e;f", "a%3Fb%23c%26d%3De%3Bf"),
        ("{session_id}", "%7Bsession_id%7D"),
        ("...", "..."),
        ("a+b~c_d", "a%2Bb~c_d"),
        ("\\..\\", "%5C..%5C"),
    ],
)
def test_ids_go_percent_encoded_into_one_segment(server: FakeServer, given: str, path: str) -> None:
    server.answers(answer(204))
    with once(server) as client:
        client.delete_session(given)
    assert server.requests[0].path == f"/api/v1/sessions/{path}"


@pytest.mark.parametrize("given", [".", "..", "", "a\nb", "a\x00b", "\ud800", "x" * 257, None, 5])
def test_what_is_no_id_is_refused_before_anything_is_sent(server: FakeServer, given: Any) -> None:
    with once(server) as client:
        for call in (client.get_session, client.delete_session, client.get_session_usage):
            with pytest.raises(ValidationError, match="session_id"):
                call(given)
    assert server.requests == []


def test_what_is_no_id_leaves_the_breaker_closed(server: FakeServer) -> None:
    with once(server) as client:
        for _ in range(6):
            with pytest.raises(ValidationError):
                client.delete_session("..")
        client.delete_session("s")


def test_the_password_file_never_replaces_the_key(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login canary password netrc-canary\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with once(server) as client, RegistryClient(RegistryConfig(server.url)) as keyless:
        client.delete_session("s")
        keyless.delete_session("s")
        client.health_check()
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == ["Bearer key-canary-5Vq", None, None]
