"""A service as the matrix runs it without one of its mechanisms (`SWITCHED_OFF`)."""

import os
import sys

from gunicorn.workers.gthread import ThreadWorker
from memory_graph_workers.services.__main__ import main
from memory_graph_workers.services.memory_graph import door
from memory_graph_workers.services.web import http_server


def without_reception() -> None:
    """A request has a thread from its first byte on, and streams may take all of them."""
    assert http_server.Worker is not ThreadWorker  # a switch that has gone stale says so
    http_server.Worker = ThreadWorker
    door.CallThreads.__init__ = _unbounded


def _unbounded(self: door.CallThreads, threads: int) -> None:
    _bounded(self, threads)
    self.streams = door.threading.BoundedSemaphore(10**6)


_bounded = door.CallThreads.__init__
SWITCHES = {"reception": without_reception}

if __name__ == "__main__":
    SWITCHES[os.environ["SWITCHED_OFF"]]()
    sys.exit(main())
