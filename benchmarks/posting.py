"""Calls a Registry one request at a time on eight connections: `python benchmarks/posting.py PORT post|get SIZE …`.

Prints `ready` before each part, and begins it at a line on standard input, as producing.py does. Requests are written
beforehand, and sockets are bare: what calls must not cost more than what is measured.
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import orjson
import payloads
from producing import wait_for_turn

CONNECTIONS, HOST = 8, "127.0.0.1"
HEAD = "Host: bench\r\nContent-Type: application/json\r\n"


def post(report: dict[str, object]) -> bytes:
    """The bytes of a report's request."""
    body = orjson.dumps(report)
    head = f"POST /api/v1/usage HTTP/1.1\r\n{HEAD}Idempotency-Key: {uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(report: dict[str, object]) -> bytes:
    """The bytes of a request for the usage of a report's session."""
    return f"GET /api/v1/sessions/{report['session_id']}/usage HTTP/1.1\r\n{HEAD}\r\n".encode()


def call(connection: socket.socket, requests: list[bytes]) -> None:
    """Make these calls, one after the other."""
    for request in requests:
        connection.sendall(request)
        answer = connection.recv(65_536)
        while not is_whole(answer):
            answer += connection.recv(65_536)
        if answer[9:12] not in (b"200", b"201"):
            raise RuntimeError(answer.decode())


def is_whole(answer: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, found, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return bool(found) and len(body) >= int(length)


def main(port: int, kind: str, *sizes: int) -> None:
    """Make the calls of each part when it is asked for."""
    requests = [{"post": post, "get": get}[kind](report) for report in payloads.numbered(sum(sizes))]
    connections = [socket.create_connection((HOST, port)) for _ in range(CONNECTIONS)]
    start = 0
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for size in sizes:
            some = requests[start : start + size]
            wait_for_turn()
            list(pool.map(call, connections, [some[one::CONNECTIONS] for one in range(CONNECTIONS)]))
            start += size
    wait_for_turn()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
