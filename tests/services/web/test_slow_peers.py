"""Peers that send slowly, or nothing, or do not read: no service waits for them."""

import json
import socket
import time
from contextlib import ExitStack, contextmanager

import pytest
from support.waiting import LONGEST_SECS, SOON_SECS, until

pytestmark = pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")  # whichever it is
NAMES = ["registry", "vault"]
PATHS = {"registry": ("/api/v1/usage", "/api/v1/sessions"), "vault": ("/api/v1/archive", "/api/v1/archive/none")}
LARGE = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n"
CHUNKED = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1"


@pytest.fixture(scope="module")
def guarded(start):
    """Both services, each with a key."""
    registry = start("registry", REGISTRY_KEYS="registry-key")
    registry.bearer = {"Authorization": "Bearer registry-key"}
    return {"registry": registry, "vault": start("vault")}


@contextmanager
def connections(service, count, data, receive_buffer=None):
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            peer = stack.enter_context(socket.socket())
            if receive_buffer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            peer.settimeout(30)
            peer.connect(("127.0.0.1", service.port))
            peer.sendall(data)
            opened.append(peer)
        yield opened


def assert_responds(service):
    """It answers `/health` and a request with a key, each within seconds on a busy machine, and at once elsewhere."""
    began = time.monotonic()
    assert service.get("/health").status == 200
    assert service.get(PATHS[service.name][1]).status in {200, 404}
    assert time.monotonic() - began < SOON_SECS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [16, 100])
@pytest.mark.parametrize(
    "data", [b"G", b"GET /health HTTP/1.1\r\nX-A: ", LARGE, CHUNKED, b""], ids=["byte", "head", "body", "chunk", "none"]
)
def test_more_unfinished_requests_than_threads_starve_nobody(guarded, name, count, data):
    service = guarded[name]
    with connections(service, count, data.replace(b"%s", PATHS[name][0].encode())):
        assert_responds(service)
        assert_responds(service)


@pytest.mark.parametrize("name", NAMES)
def test_bodies_with_a_key_that_do_not_come_starve_nobody(guarded, name):
    service = guarded[name]
    key = service.bearer["Authorization"]
    head = f"POST {PATHS[name][0]} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 100000\r\n\r\n{{"
    with connections(service, 40, head.encode()):
        assert_responds(service)


@pytest.mark.parametrize("name", NAMES)
def test_a_dripped_head_is_given_up_after_ten_seconds(guarded, name):
    service = guarded[name]
    with connections(service, 20, b"GET /health HTTP/1.1\r\n") as peers:
        began, received = time.monotonic(), b""
        peers[0].settimeout(0.5)
        while time.monotonic() - began < 40:
            try:
                peers[0].sendall(b"X")
                received += (data := peers[0].recv(1000))
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
        assert 8 < time.monotonic() - began < 30
        assert_responds(service)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == 408


@pytest.mark.parametrize("data", [LARGE, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("name", NAMES)
def test_a_body_without_a_key_is_refused_before_it_comes_and_the_connection_ends(guarded, name, data):
    service = guarded[name]
    with connections(service, 1, data.replace(b"%s", PATHS[name][0].encode())) as (peer,):
        began, received = time.monotonic(), b""
        while data := peer.recv(10_000):
            received += data
        assert received.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in received.lower()
        assert time.monotonic() - began < SOON_SECS


def test_a_body_slower_than_the_least_rate_is_given_up(guarded):
    service = guarded["registry"]
    head = (
        b"POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer registry-key\r\nContent-Length: 9000\r\n\r\n"
    )
    with connections(service, 1, head) as (peer,):
        began = time.monotonic()
        assert peer.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert 8 < time.monotonic() - began < 30


@pytest.mark.parametrize("count", [16, 100])
def test_peers_that_do_not_read_a_response_starve_nobody(guarded, count):
    service = guarded["registry"]
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40
    with connections(service, count, request, receive_buffer=2048):
        time.sleep(1)
        assert_responds(service)


def test_a_response_that_is_read_slowly_comes_whole(guarded):
    service = guarded["registry"]
    whole = service.get("/openapi.json").text.encode()
    with connections(service, 1, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 2048) as (
        peer,
    ):
        received = b""
        while data := peer.recv(4000):
            received += data
            time.sleep(0.002)
    assert received.partition(b"\r\n\r\n")[2] == whole


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_in_pieces_and_behind_each_other_are_all_answered(guarded, size):
    service = guarded["registry"]
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connections(service, 1, b"") as (peer,):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = one * 3 + last
        for at in range(0, len(text), size):
            peer.sendall(text[at : at + size])
        received = b""
        while data := peer.recv(10_000):
            received += data
    assert received.count(b"HTTP/1.1 200 ") == 4


def test_a_body_that_waits_for_100_continue_is_asked_for_once(guarded, new_id):
    service = guarded["registry"]
    body = json.dumps({"session_id": new_id, "model_id": "m"}).encode()
    head = (
        "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer registry-key\r\nExpect: 100-continue\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with connections(service, 1, head.encode()) as (peer,):
        assert peer.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(body)
        received = b""
        while data := peer.recv(10_000):
            received += data
    assert received.startswith(b"HTTP/1.1 201 ")


def test_chunked_bodies_are_read(guarded, new_id):
    service = guarded["registry"]
    body = json.dumps({"session_id": new_id, "model_id": "m"}).encode()
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:6], body[6:]))
    head = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer registry-key\r\n"
    head += b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connections(service, 1, head) as (peer,):
        for byte in chunks + b"0\r\nX-Trailer: a\r\n\r\n":
            peer.sendall(bytes([byte]))
        assert peer.recv(10_000).startswith(b"HTTP/1.1 201 ")


def test_more_connections_than_a_service_keeps_starve_nobody(start):
    service = start("registry")
    with connections(service, 950, b"G"):
        assert_responds(service)


def test_a_service_ends_although_peers_are_silent_or_in_the_middle_of_a_request(start):
    service = start("registry")
    with connections(service, 20, b""), connections(service, 20, b"GET /h"):
        until(lambda: service.get("/health").status == 200)
        began = time.monotonic()
        service.stop()
        assert time.monotonic() - began < LONGEST_SECS / 2  # 10 seconds of it are the grace that peers get
        assert service.process.returncode == 0
