"""Answers HTTP several times faster than what is measured: one process, uvloop, no framework, after N ms if told so.

`python benchmarks/server.py PORT`. Besides the work it takes `POST /bench/reset?delay_ms=N` and
`GET /bench/seen?after=K`: how many requests came, and when the Kth and the last did (CLOCK_MONOTONIC).
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pretend
import uvloop

END = b"\r\n\r\n"


class Work:
    """What came in since the last reset, and how long an answer takes."""

    def __init__(self) -> None:
        self.delay_secs = 0.0
        self.times: list[float] = []
        self.listing = pretend.Listing(0, honours_hints=False, all_due=False)

    def control(self, path: str, query: dict[str, str]) -> Any:
        """Do what the benchmark asks; nothing of it is counted."""
        if path == "/bench/reset":
            self.delay_secs, self.times = float(query.get("delay_ms", 0)) / 1000, []
            many = int(query.get("sessions", 0))
            self.listing = pretend.Listing(many, honours_hints="hints" in query, all_due="all_due" in query)
            return {}
        after, listing = int(query.get("after", 0)), self.listing
        return {
            "count": len(self.times),
            "bounds": bounds(self.times, after),
            "archived": len(listing.archived),
            "archived_bounds": bounds(listing.times_archived, after),
            "pages": len(listing.listed),
            "listed_bounds": bounds(listing.listed, 0),
        }


def bounds(times: list[float], after: int) -> list[float] | None:
    """When the one after so many came, and when the last did."""
    return [times[min(after, len(times) - 1)], times[-1]] if times else None


class Answerer(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, work: Work) -> None:
        self.work, self.read = work, bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has come."""
        self.read += data
        while (end := self.read.find(END)) >= 0:
            head = bytes(self.read[:end])
            size = end + len(END) + _length(head)
            if len(self.read) < size:
                return
            body = bytes(self.read[end + len(END) : size])
            del self.read[:size]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        """Write the answer, now or after the delay."""
        method, target = head.split(b" ", 2)[:2]
        if target.startswith(b"/bench/"):
            parts = urlsplit(target.decode())
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            self.transport.write(response(200, json.dumps(self.work.control(parts.path, query)).encode()))
            return
        answer = pretend.answer(self.work.listing, method, target.decode(), body)
        self.later(lambda: self.done(answer))

    def later(self, action: Callable[[], None]) -> None:
        if self.work.delay_secs:
            asyncio.get_running_loop().call_later(self.work.delay_secs, action)
        else:
            action()

    def done(self, answer: tuple[int, bytes]) -> None:
        self.work.times.append(time.monotonic())
        if not self.transport.is_closing():
            self.transport.write(response(*answer))


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    return int(lowered[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def response(status: int, body: bytes) -> bytes:
    """An answer of HTTP/1.1; a 204 has no body."""
    if status == 204:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(port: int) -> None:
    """Answer until killed."""
    work = Work()
    server = await asyncio.get_running_loop().create_server(lambda: Answerer(work), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
