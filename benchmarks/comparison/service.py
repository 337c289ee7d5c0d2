"""The HTTP service between all contenders: it does a job for each call, and counts exactly what it did."""

import json
import math
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from memory_graph_workers.cli.stack.ports import LOOPBACK

JOBS, HEALTH = "/api/v1/usage", "/health"


@dataclass
class Counts:
    """What came in, by job: calls that were begun, calls that were refused, and what was carried out."""

    begun: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    carried_out: Counter[str] = field(default_factory=Counter[str])
    done_at: dict[str, float] = field(default_factory=dict[str, float])  # for the first time (time.monotonic)
    again_at: dict[str, float] = field(default_factory=dict[str, float])  # when it was begun again, latest

    def done(self, jobs: Iterable[str]) -> int:
        """How many of these jobs were carried out at least once."""
        return sum(job in self.carried_out for job in jobs)


class Service(ThreadingHTTPServer):
    """`POST /api/v1/usage` carries out the job that is named as `session_id`; away, it answers 503 to all.

    A caller who is gone before a job is over leaves nothing behind, as with a transaction that is rolled back. A job
    that comes again is carried out again, whatever its `Idempotency-Key`, so that no repeat stays hidden.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Call)
        self.url = f"http://{LOOPBACK}:{self.server_port}"
        self.away, self.takes_secs, self.counts = False, 0.0, Counts()
        self._lock = threading.Lock()

    def __enter__(self) -> "Service":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller who was killed; anything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def begin(self, job: str) -> bool:
        """Count a call, and say whether the service is there for it."""
        with self._lock:
            if self.away:
                self.counts.refused[job] += 1
                return False
            if job in self.counts.begun:
                self.counts.again_at[job] = time.monotonic()
            self.counts.begun[job] += 1
            return True

    def carry_out(self, job: str) -> None:
        """Do the job."""
        with self._lock:
            self.counts.done_at.setdefault(job, time.monotonic())
            self.counts.carried_out[job] += 1


class _Call(BaseHTTPRequestHandler):
    """One kept-alive connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service  # pyright: ignore[reportIncompatibleVariableOverride]  # as its maker knows

    def do_POST(self) -> None:
        """Carry out a job."""
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["session_id"]
        if not self.server.begin(job):
            self._respond(503, {"error": "away"})
            return
        if _hangs_up(self.connection, self.server.takes_secs):
            self.close_connection = True
            return
        self.server.carry_out(job)
        self._respond(204)

    def do_GET(self) -> None:
        """Say whether the service is there."""
        self._respond(503 if self.server.away else 200, {"status": "unhealthy" if self.server.away else "healthy"})

    def _respond(self, status: int, body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as its base calls it
        """Say nothing: all is counted."""


def _hangs_up(caller: socket.socket, secs: float) -> bool:
    """Whether a caller who waits for a response goes away within that time."""
    readable, _, _ = select.select([caller], [], [], None if math.isinf(secs) else secs)
    return bool(readable)  # it has nothing more to say before it got the response
