"""An answer's head that is read at once says what http.client says of it, and leaves the same body to be read."""

import io
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memory_graph_workers.clients.heads import PlainHead

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/json\r\ncontent-length:  2\r\nX-A:\r\nConnection: keep-alive\r\n\r\n{}"
STATUSES = """HTTP/1.1 200 OK|HTTP/1.1 503|HTTP/1.1 404 |HTTP/1.1 204 No Content|HTTP/1.1 304 |HTTP/1.1 204 |\
HTTP/1.1  200  A |HTTP/1.0 200 OK|HTTP/1.1 100 Continue|HTTP/1.1 2000 x|HTTP/1.1 200OK|\
HTTP/2 200 OK|ICY 200 OK|""".split("|")
HEADERS = """Content-Length: 2|content-length:0|Content-Length: 2, 2|Content-Length: -1|Content-Length: +2|\
Content-Length: 1_0|Content-Length: |Content-Length : 2|Transfer-Encoding: chunked|Connection: Close|\
Connection: keep-alive, close|Retry-After:\t7|X-A: a:b|X-A: \xe9|X-A: a\x0bb|X-A: a\tb |From a:b| folded|no colon|\
: nameless|Content-Encoding: gzip|X-A: a\nX-B: b|X-A: \r|""".split("|")


class _Fake:
    """A socket that gives what it was made with, some bytes at a time."""

    def __init__(self, sent: bytes, at_once: int) -> None:
        self._sent, self._at_once = io.BytesIO(sent), at_once

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(cast(Any, _Raw(self._sent, self._at_once)))


class _Raw(io.RawIOBase):
    def __init__(self, sent: io.BytesIO, at_once: int) -> None:
        self._sent, self._at_once = sent, at_once

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._sent.read(min(self._at_once, len(buffer)))
        buffer[: len(part)] = part
        return len(part)


def told(kind: type[HTTPResponse], sent: bytes, method: str, at_once: int) -> Any:
    """All that a reader of this kind says of an answer, or the error that it raises."""
    answer = kind(cast(socket.socket, _Fake(sent, at_once)), method=method)
    try:
        answer.begin()
        said = [
            answer.status,
            answer.getcode(),
            answer.reason,
            answer.version,
            answer.msg.items(),
            answer.headers.items(),
        ]
        said += [answer.chunked, answer.length, answer.will_close, answer.isclosed(), answer.read(), answer.isclosed()]
    except (HTTPException, ValueError) as error:
        return type(error), str(error)
    return said


@settings(max_examples=1000)
@given(
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(HEADERS), max_size=6),
    st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"{}HTTP/1.1 200 OK\r\n"]),
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.sampled_from([1, 40, 10_000]),
)
@example("HTTP/1.1 200 OK", ["a: b"] * 100 + ["Content-Length: 2"], b"{}", "GET", 10_000)
@example("HTTP/1.1 200 OK", ["a: b"] * 99 + ["Content-Length: 2"], b"{}", "GET", 10_000)
def test_it_is_told_as_http_client_tells_it(
    status: str, headers: list[str], body: bytes, method: str, at_once: int
) -> None:
    sent = "\r\n".join([status, *headers, "", ""]).encode("latin-1") + body
    assert told(PlainHead, sent, method, at_once) == told(HTTPResponse, sent, method, at_once)


@settings(max_examples=1000)
@given(st.integers(0, len(PLAIN)), st.binary(max_size=2), st.sampled_from([1, 40, 10_000]))
def test_a_head_that_is_cut_or_spoilt_is_http_clients(at: int, spoilt: bytes, at_once: int) -> None:
    for sent in (PLAIN[:at], PLAIN[:at] + spoilt + PLAIN[at:], PLAIN[:at] + spoilt + PLAIN[at + len(spoilt) :]):
        assert told(PlainHead, sent, "POST", at_once) == told(HTTPResponse, sent, "POST", at_once)


@pytest.mark.parametrize("at_once", [len(PLAIN), 8192])
def test_a_plain_head_is_not_left_to_http_client(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.delattr(HTTPResponse, "begin")
    assert told(PlainHead, PLAIN, "POST", at_once)[:3] == [200, 200, "OK"]
