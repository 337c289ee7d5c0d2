"""A fault proxy: stands between the workers and one HTTP service, and breaks what it is told to break.

It runs in a thread of its own, decides by a seeded lot in the order of arrival, and remembers every request.
"""

import asyncio
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port

HEAD_END = b"\r\n\r\n"
_LONGEST_SECS = 600.0
_GONE = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass
class Seen:
    """One request: what it asked, when it came, and what was done to it."""

    method: str
    path: str
    key: str
    body: bytes
    at: float = field(default_factory=time.monotonic)
    fault: str = ""


@dataclass(frozen=True)
class Exchange:
    """One request in the proxy's hand, and the two roads from here."""

    request: bytes
    client: asyncio.StreamWriter
    upstream: Callable[[bytes], Awaitable[bytes]]

    async def forward(self) -> bytes:
        """Send it on, and read the whole answer."""
        return await self.upstream(self.request)

    async def answer(self, raw: bytes) -> None:
        self.client.write(raw)
        await self.client.drain()

    def cut(self) -> None:
        """Cut the client's connection with a reset."""
        self.client.transport.abort()


Step = Callable[[Exchange], Awaitable[None]]


@dataclass
class Fault:
    """What happens to a share of the requests that match; `times` bounds how often, `keys` (none: any) says whose.

    `about` is a part of the request's own bytes.
    """

    name: str
    step: Step
    on: re.Pattern[str]
    share: float
    times: int | None
    keys: Collection[str] = ()
    about: bytes = b""

    def strikes(self, seen: Seen, raw: bytes, lot: random.Random) -> bool:
        """Whether this request is hit."""
        if self.times == 0 or not self.on.search(f"{seen.method} {seen.path}") or lot.random() >= self.share:
            return False
        if (self.keys and seen.key not in self.keys) or self.about not in raw:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Proxy:
    """Passes everything on, but for its faults; the first that strikes is played."""

    def __init__(self, upstream_port: int, seed: int = 1) -> None:
        self.port = free_port()
        self.requests: list[Seen] = []
        self._upstream_port = upstream_port
        self._lot = random.Random(seed)
        self._faults: list[Fault] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._clients: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def plays(
        self,
        name: str,
        step: Step,
        *,
        on: str = "",
        share: float = 1.0,
        times: int | None = None,
        keys: Collection[str] = (),
        about: bytes = b"",
    ) -> None:
        """Break requests whose `METHOD /path` matches, with one of these keys and these bytes, from now on."""
        self._faults = [*self._faults, Fault(name, step, re.compile(on), share, times, keys, about)]

    def heals(self) -> None:
        """Break nothing any more; what is being played is played to its end."""
        self._faults = []

    def refuse(self) -> None:
        """Close the port, and cut every connection."""
        asyncio.run_coroutine_threadsafe(self._refuse(), self._loop).result(10)

    def accept(self) -> None:
        """Open the port."""
        asyncio.run_coroutine_threadsafe(self._accept(), self._loop).result(10)

    def seen(self, on: str) -> list[Seen]:
        """The requests whose `METHOD /path` matches."""
        wanted = re.compile(on)
        return [one for one in self.requests if wanted.search(f"{one.method} {one.path}")]

    def played(self) -> Counter[str]:
        """How often each fault was played."""
        return Counter(one.fault for one in self.requests if one.fault)

    # No asyncio.Server: in its hands a connection that comes while it closes is lost, and stays open.

    async def _accept(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port))
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._welcome, self._listener)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _welcome(self, listener: socket.socket) -> None:
        """Serve a client; however that ends, and if it never begins, his connection is closed."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = listener.accept()
            task = self._loop.create_task(self._serve(connection))
            self._clients.add(task)
            task.add_done_callback(lambda _: connection.close())
            task.add_done_callback(self._clients.discard)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection, limit=2**26)
        try:
            with suppress(*_GONE):  # who left has his right to
                await self._talk(reader, writer)
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = Upstream(self._upstream_port)
        try:
            while raw := await read_message(reader):
                seen = _seen(raw)
                fault = next((one for one in self._faults if one.strikes(seen, raw, self._lot)), None)
                seen.fault = fault.name if fault else ""
                self.requests.append(seen)
                await (fault.step if fault else passes)(Exchange(raw, writer, upstream.exchange))
        finally:
            upstream.close()


class Upstream:
    """The connection to the service behind, kept as long as the client keeps his."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port, limit=2**26)
        reader, writer = self._streams
        writer.write(request)
        answer = await read_message(reader)
        if not answer:
            raise ConnectionResetError("the service went away")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One whole request or answer, whose length its head tells; empty at the end of the connection."""
    try:
        head = await reader.readuntil(HEAD_END)
    except asyncio.IncompleteReadError:
        return b""
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def _seen(raw: bytes) -> Seen:
    top, _, body = raw.partition(HEAD_END)
    head = top.decode("latin-1")
    method, path, _ = head.split(" ", 2)
    key = re.search(r"(?i)\r\nidempotency-key: *(\S+)", head)
    return Seen(method, path, key[1] if key else "", body)


# What can happen to a request. `passes` is what happens without a fault.


async def passes(exchange: Exchange) -> None:
    await exchange.answer(await exchange.forward())


def delays(secs: float) -> Step:
    """The service takes its time."""

    async def step(exchange: Exchange) -> None:
        await asyncio.sleep(secs)
        await passes(exchange)

    return step


def drips(secs_a_byte: float) -> Step:
    """The answer comes byte by byte."""

    async def step(exchange: Exchange) -> None:
        answer = await exchange.forward()
        for byte in answer:
            await exchange.answer(bytes([byte]))
            await asyncio.sleep(secs_a_byte)

    return step


async def hangs(exchange: Exchange) -> None:
    """The service does its work, and never answers."""
    await exchange.forward()
    await asyncio.sleep(_LONGEST_SECS)


async def cuts_before(exchange: Exchange) -> None:
    """The connection breaks before the service has the request."""
    exchange.cut()


async def cuts_after(exchange: Exchange) -> None:
    """The service does its work, and the connection breaks before the answer."""
    await exchange.forward()
    exchange.cut()


async def halves(exchange: Exchange) -> None:
    """The answer breaks off in its middle."""
    answer = await exchange.forward()
    await exchange.answer(answer[: max(1, len(answer) // 2)])
    exchange.cut()


def answers(status: int, body: bytes = b"{}", **headers: str) -> Step:
    """Something in front of the service answers in its place."""
    named = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Said\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n"

    async def step(exchange: Exchange) -> None:
        await exchange.answer(head.encode() + body)

    return step


def answers_after(status: int, body: bytes, content_type: str) -> Step:
    """The service does its work, and something in front of it answers otherwise."""
    said = answers(status, body, Content_Type=content_type)

    async def step(exchange: Exchange) -> None:
        await exchange.forward()
        await said(exchange)

    return step


def rewrites(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Step:
    """The service does its work, and something in front of it answers with another JSON object."""

    async def step(exchange: Exchange) -> None:
        body = json.loads((await exchange.forward()).partition(HEAD_END)[2])
        await answers(200, json.dumps(change(body)).encode())(exchange)

    return step


HTML = answers_after(200, b"<html><body>Please log in.</body></html>", "text/html")
HALF_A_JSON = answers_after(200, b'{"archived": ["', "application/json")
