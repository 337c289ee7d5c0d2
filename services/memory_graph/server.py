"""A Memory-Graph: conversations over gRPC."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import Any, TypeVar

import grpc

from ...schemas import memory_graph_pb2_grpc as rpc
from ..database.storage import Storage
from ..web.config import address
from .calls import MemoryGraph
from .config import MemoryGraphServiceConfig
from .records import Base

LARGEST_MESSAGE_BYTES = 64 * 2**20
_STOP_SECS = 8  # as the HTTP services
_LINGER_SECS = 0.3
T = TypeVar("T")


class Calls(ThreadPoolExecutor):
    """The threads that answer calls, and which calls they have in hand: a connection that is only open is none."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._in_hand: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Answer one call."""
        future = super().submit(fn, *args, **kwargs)
        self._in_hand.add(future)
        future.add_done_callback(self._in_hand.discard)
        return future

    def settle(self, timeout_secs: float) -> None:
        """Wait until no call is in hand."""
        wait(list(self._in_hand), timeout_secs)


def prepare(config: MemoryGraphServiceConfig) -> None:
    """Make the tables."""
    storage = Storage(config.database_url, Base)
    storage.create()
    storage.close()


def run(config: MemoryGraphServiceConfig, host: str, port: int, threads: int) -> None:
    """Serve until a TERM or an interrupt."""
    stop = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, handle)
    storage = Storage(config.database_url, Base, threads)
    calls = Calls(threads)
    server = make_server(storage, host, port, calls)
    server.start()
    print(f"memory-graph ready on grpc://{address(host, port)}", file=sys.stderr, flush=True)  # noqa: T201
    stop.wait()
    _stop(server, calls)
    storage.close()


def _stop(server: grpc.Server, calls: Calls) -> None:
    # gRPC's own wait ends with the last connection, also one that is only open; a daemon keeps nobody waiting.
    stopping = threading.Thread(target=server.stop, args=[_STOP_SECS], daemon=True)
    stopping.start()
    stopping.join()
    calls.settle(_STOP_SECS)
    time.sleep(_LINGER_SECS)  # for the last answers to leave


def make_server(storage: Storage, host: str, port: int, calls: Calls) -> grpc.Server:
    """A server that is bound and not yet started.

    Raises: ValueError where the address cannot be had.
    """
    options = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a helper
    ]
    server = grpc.server(calls, options=options)
    rpc.add_MemoryGraphServiceServicer_to_server(MemoryGraph(storage), server)
    try:
        server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise ValueError(f"cannot listen on {host}:{port}") from error
    return server
