"""Gunicorn, configured by code: logs nothing of a request, and ends after SIGTERM once in-flight requests are done."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from threading import Timer
from typing import Any, cast

from flask import Flask
from gunicorn.app.base import BaseApplication  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.glogging import Logger  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.http.errors import ParseException  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.util import write_nonblock  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.workers.gthread import ThreadWorker  # pyright: ignore[reportMissingTypeStubs]

from .bad_request import bad_request_response
from .config import ServerConfig, address

# Clients keep an idle connection for 90 s; being longer lets them close first.
_KEEPALIVE_SECS = 95
# Container engines kill after 10 s by default.
_STOP_SECS = 8
_LINGER_SECS = 0.2


class QuietLogger(Logger):
    """Gunicorn's log without quotes from requests: paths hold ids, headers hold keys."""

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Drop it: a bad request is the sender's mistake."""

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log the error's type alone."""
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        self.error("gunicorn: %s", kind)


class Worker(ThreadWorker):
    """A threaded worker that closes idle connections soon after SIGTERM."""

    def enqueue_req(self, conn: Any) -> None:
        """Give a thread only to a connection that sends, not to an idle one."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        self.pending_conns.append(conn)
        conn.timeout = time.monotonic() + _KEEPALIVE_SECS
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))  # pyright: ignore

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Respond to a request that cannot be parsed."""
        if not isinstance(exc, ParseException):
            self.log.exception("request")  # noqa: LOG004 - called while the error is handled
        with suppress(OSError):
            write_nonblock(client, bad_request_response(exc))

    def _cap_keepalive(self, deadline: float) -> None:
        soon = min(deadline, time.monotonic() + _LINGER_SECS)
        cast("Any", super())._cap_keepalive(soon)
        for conn in cast("Any", self.pending_conns):
            conn.timeout = min(conn.timeout, soon)
        if self.pending_conns:  # nothing else wakes the worker for them within a second
            Timer(_LINGER_SECS, self.method_queue.defer, [self.murder_pending]).start()


class HttpServer(BaseApplication):
    """One HTTP service on one address."""

    def __init__(self, name: str, make_app: Callable[[], Flask], host: str, port: int, config: ServerConfig) -> None:
        self._name, self._make_app, self._host, self._port, self._config = name, make_app, host, port, config
        super().__init__()

    def load_config(self) -> None:
        """Use these settings alone, neither files nor GUNICORN_CMD_ARGS."""
        for key, value in self._settings().items():
            cast("Any", self.cfg).set(key, value)

    def load(self) -> Any:
        """Make the application in the worker's process."""
        return self._make_app()

    def _settings(self) -> dict[str, Any]:
        return {
            "bind": address(self._host, self._port),
            "workers": self._config.workers,
            "threads": self._config.threads,
            "worker_class": Worker,
            "worker_connections": 1000,
            "keepalive": _KEEPALIVE_SECS,
            "graceful_timeout": _STOP_SECS,
            "timeout": 60,
            "limit_request_line": 8190,
            "loglevel": "error",
            "logger_class": QuietLogger,
            "control_socket_disable": True,
            "proc_name": self._name,
            "post_worker_init": self._announce,
        }

    def _announce(self, worker: Any) -> None:
        if worker.age == 1:
            print(f"{self._name} ready on http://{address(self._host, self._port)}", file=sys.stderr, flush=True)  # noqa: T201
