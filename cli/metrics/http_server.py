"""The HTTP server that Prometheus asks for `/metrics`, and others for `/healthz`: a few callers at a time.

None of them can hold it up.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

_MOST_CALLERS = 16
_SLOW_SECS = 10.0  # whoever sends or reads nothing for so long is dropped
_LONGEST_SECS = 20.0  # and whoever is not done then, also one who sends a byte now and then

Start = Callable[[str, list[tuple[str, str]]], Any]


class Source(Protocol):
    """What is served: metrics, and whether what they are about can be read; `away` says what to do if it cannot."""

    registry: CollectorRegistry
    away: str

    def can_read(self) -> bool:
        """Whether it can be read now."""
        ...


class Handler(WSGIRequestHandler):
    """Drops slow callers, and logs no requests."""

    timeout = _SLOW_SECS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Log nothing: a scrape every few seconds is no news."""


class HttpServer(ThreadingMixIn, WSGIServer):
    """A thread for each of a few callers; further ones are turned away at once."""

    daemon_threads = True

    def __init__(self, host: str, port: int, source: Source) -> None:
        """Listen.

        Raises: OSError.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(_MOST_CALLERS)
        super().__init__((host, port), Handler)
        self.set_app(_routes(source))

    def server_bind(self) -> None:
        """Bind, without asking a name server for this host's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a caller in a thread, if one is free."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a caller, and free the thread."""
        late = threading.Timer(_LONGEST_SECS, _hang_up, [request])
        late.daemon = True
        late.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            late.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that hang up."""


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        request.shutdown(socket.SHUT_RDWR)


def _routes(source: Source) -> Any:
    metrics: Any = make_wsgi_app(source.registry)

    def app(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        if path == "/healthz":
            return _plain(start, *(("200 OK", "ok") if source.can_read() else ("503 Service Unavailable", source.away)))
        return _plain(start, "404 Not Found", "There are /metrics and /healthz here.")

    return app


def _plain(start: Start, status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]
