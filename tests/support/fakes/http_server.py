"""A real HTTP server on a loopback port that does what a test tells it to: be slow, refuse, lie or break."""

import gzip
import json
import math
import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

Step = Callable[["Connection"], None]
JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Received:
    """A request as it came: the raw path, header names in lower case, and which connection it came over."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection(socketserver.BaseRequestHandler):
    """One client's connection: reads requests and plays the next step for each."""

    server: "_Server"

    def setup(self) -> None:
        self.open = True
        self.number = self.server.fake.connected()
        self.request.settimeout(30)
        self.stopped = self.server.fake.stopped

    def handle(self) -> None:
        try:
            if self.server.tls is not None:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            if self.server.fake.before_reading is not None:
                self.server.fake.before_reading(self)
            while self.open and (received := self._read()) is not None:
                self.server.fake.next_step(received)(self)
        except OSError:
            pass  # the client went away, which is its right

    def finish(self) -> None:
        self.request.close()

    def send(self, raw: bytes) -> None:
        self.request.sendall(raw)

    def pause(self, secs: float) -> None:
        """Wait, but not beyond the server's end."""
        if self.stopped.wait(secs):
            raise ConnectionAbortedError("the server was stopped")

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.open = False

    def _read(self) -> Received | None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            part = self.request.recv(65_536)
            if not part:
                return None
            raw += part
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        while len(body) < int(headers.get("content-length", 0)):
            body += self.request.recv(65_536)
        return Received(method, path, headers, body, self.number)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, fake: "FakeServer", tls: ssl.SSLContext | None, port: int) -> None:
        self.fake, self.tls = fake, tls
        super().__init__(("127.0.0.1", port), Connection)


class FakeServer:
    """Answers with `steps` in order, then with `default`; records every request."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.stopped = threading.Event()
        self.default: Step = answer(200, {})
        self.before_reading: Step | None = None
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        self._server = _Server(self, tls, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answers(self, *steps: Step | int) -> None:
        """Play these next; a number is an answer with that status and an empty object."""
        self._steps.extend(answer(step, {}) if isinstance(step, int) else step for step in steps)

    def connected(self) -> int:
        with self._lock:
            self.connections += 1
            return self.connections

    def next_step(self, received: Received) -> Step:
        with self._lock:
            self.requests.append(received)
            return self._steps.pop(0) if self._steps else self.default


def answer(status: int, body: Any = b"", headers: Mapping[str, str] = JSON_HEADERS) -> Step:
    """Answer at once; what is neither text nor bytes goes as JSON."""
    raw = whole(status, body, headers)
    return lambda connection: connection.send(raw)


def whole(status: int, body: Any = b"", headers: Mapping[str, str] = JSON_HEADERS) -> bytes:
    """The bytes of an answer."""
    content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    length = [] if status == 204 else [f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *length, "", ""]).encode() + content


def after(secs: float, step: Step) -> Step:
    """Be slow."""

    def play(connection: Connection) -> None:
        connection.pause(secs)
        step(connection)

    return play


def hang(connection: Connection) -> None:
    """Never answer."""
    connection.pause(60)


def drip(raw: bytes, at_once: int = 0, pause_secs: float = 0.1) -> Step:
    """Send the first bytes at once and every other one after a pause."""

    def play(connection: Connection) -> None:
        connection.send(raw[:at_once])
        for number in range(at_once, len(raw)):
            connection.pause(pause_secs)
            connection.send(raw[number : number + 1])

    return play


def cut(connection: Connection) -> None:
    """Close the connection without an answer."""
    connection.open = False


def reset(connection: Connection) -> None:
    """Break the connection without an answer."""
    connection.reset()


def cut_after(raw: bytes) -> Step:
    """Send these bytes and close."""

    def play(connection: Connection) -> None:
        connection.send(raw)
        connection.open = False

    return play


def tunnel(port: int, drips_after: float = math.inf) -> Step:
    """Be a proxy: open the tunnel that was asked for, to this port, and pass on what comes from either end.

    What comes back after so many parts goes byte by byte.
    """

    def play(connection: Connection) -> None:
        connection.open = False
        parts_back = 0
        with socket.create_connection(("127.0.0.1", port), 30) as beyond:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            onward = {connection.request: beyond, beyond: connection.request}
            while True:
                for end in _readable(*onward):
                    if not (part := end.recv(65_536)):
                        return
                    if end is beyond and parts_back >= drips_after:
                        drip(part)(connection)
                    else:
                        onward[end].sendall(part)
                    parts_back += end is beyond

    return play


def _readable(*ends: socket.socket) -> list[socket.socket]:
    """Wait until there is something to read; TLS may have it already, where `select` does not look."""
    at_hand = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
    return at_hand or select.select(ends, [], [], 30)[0]


def bomb(size_bytes: int) -> bytes:
    """A gzipped answer that is much larger once decompressed: a JSON text of spaces."""
    packed = gzip.compress(b" " * size_bytes, 1)
    return whole(200, packed, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
