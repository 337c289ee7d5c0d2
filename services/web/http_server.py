"""Gunicorn, configured by code: logs nothing of a request, and ends after SIGTERM once in-flight requests are done."""

import gc
import sys
from collections.abc import Callable
from typing import Any, cast

from flask import Flask
from gunicorn.app.base import BaseApplication  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.glogging import Logger  # pyright: ignore[reportMissingTypeStubs]

from .cleaning import start_cleaning
from .config import ServerConfig, address
from .reception import Admission
from .worker import Worker

# Clients keep an idle connection for 90 s; being longer lets them close first.
_KEEPALIVE_SECS = 95
# Container engines kill after 10 s by default.
_STOP_SECS = 8
_COLLECT_AFTER_OBJECTS = 200_000


class QuietLogger(Logger):
    """Gunicorn's log without quotes from requests: paths hold ids, headers hold keys."""

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Drop it: a bad request is the sender's mistake."""

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log the error's type alone."""
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        self.error("gunicorn: %s", kind)


class HttpServer(BaseApplication):
    """One HTTP service on one address."""

    def __init__(
        self, name: str, make_app: Callable[[], Flask], host: str, port: int, config: ServerConfig, admission: Admission
    ) -> None:
        self.admission = admission
        self._name, self._make_app, self._host, self._port, self._config = name, make_app, host, port, config
        super().__init__()

    def load_config(self) -> None:
        """Use these settings alone, neither files nor GUNICORN_CMD_ARGS."""
        for key, value in self._settings().items():
            cast("Any", self.cfg).set(key, value)

    def load(self) -> Any:
        """Make the application in the worker's process."""
        app = self._make_app()
        start_cleaning(app.extensions["purges"])
        # A body of millions of values is no garbage: by default the collector looks at all of them over and over.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER_OBJECTS)
        return app

    def _settings(self) -> dict[str, Any]:
        return {
            "bind": address(self._host, self._port),
            "workers": self._config.workers,
            "threads": self._config.threads,
            "worker_class": Worker,
            "worker_connections": 900,
            "sendfile": False,
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
