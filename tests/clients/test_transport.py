"""Broken and lying servers: what a call becomes, and what it may take in memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.errors import (
    HttpError,
    IntegrationError,
    Refused,
    SerializationError,
)
from memory_graph_workers.clients.http import Transport
from memory_graph_workers.clients.registry import RegistryClient
from support.fakes.http_server import (
    JSON_HEADERS,
    FakeServer,
    Step,
    answer,
    bomb,
    cut,
    cut_after,
    reset,
    whole,
)
from support.fakes.one_session import HEAD_BYTES, SESSION, once

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
    "made",
    [lambda: bomb(200 * 2**20), lambda: whole(200, b" " * (65 * 2**20))],
    ids=["gzip bomb", "plain"],
)
def test_an_answer_over_64_mib_is_an_error_and_not_tried_again(server: FakeServer, made: Callable[[], bytes]) -> None:
    server.answers(cut_after(made()))
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


@pytest.mark.parametrize("value", ["two\r\nLines: 1", "two\nLines: 1", "\u2603"])
def test_a_header_that_would_break_the_head_is_refused(server: FakeServer, value: str) -> None:
    transport = Transport(server.url)
    with pytest.raises((ValueError, HttpError)):
        transport.exchange("GET", "/", {"X-Request-ID": value}, None, 5)
    transport.close()
    assert not server.requests


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
