"""The Memory-Graph's gRPC server."""

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
from .door import Door
from .records import Base

MAX_MESSAGE_BYTES = 64 * 2**20
_STOP_SECS = 8  # as in the HTTP services
_LINGER_SECS = 0.3
T = TypeVar("T")


class CallThreads(ThreadPoolExecutor):
    """The threads that run calls, and the calls in flight; an idle connection is not one."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._in_flight: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run one call."""
        future = super().submit(fn, *args, **kwargs)
        self._in_flight.add(future)
        future.add_done_callback(self._in_flight.discard)
        return future

    def wait_until_idle(self, timeout_secs: float) -> None:
        """Wait until no call is in flight."""
        wait(list(self._in_flight), timeout_secs)


def prepare(config: MemoryGraphServiceConfig) -> None:
    """Create the tables."""
    storage = Storage(config.database_url, Base)
    storage.create()
    storage.close()


def run(config: MemoryGraphServiceConfig, host: str, port: int, threads: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, handle)
    storage = Storage(config.database_url, Base, threads)
    calls = CallThreads(threads)
    server = make_server(storage, host, port, calls, config.keys)
    server.start()
    print(f"memory-graph ready on grpc://{address(host, port)}", file=sys.stderr, flush=True)  # noqa: T201
    stop.wait()
    _stop(server, calls)
    storage.close()


def _stop(server: grpc.Server, calls: CallThreads) -> None:
    # gRPC's own wait lasts until idle connections end, too; a daemon thread does not delay the exit.
    stopping = threading.Thread(target=server.stop, args=[_STOP_SECS], daemon=True)
    stopping.start()
    stopping.join()
    calls.wait_until_idle(_STOP_SECS)
    time.sleep(_LINGER_SECS)  # lets the last responses leave


def make_server(storage: Storage, host: str, port: int, calls: CallThreads, keys: tuple[str, ...]) -> grpc.Server:
    """A server that is bound but not started.

    Raises: ValueError if the address cannot be bound.
    """
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
    ]
    server = grpc.server(calls, interceptors=[Door(keys)], options=options)
    rpc.add_MemoryGraphServiceServicer_to_server(MemoryGraph(storage), server)
    try:
        server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise ValueError(
            f"cannot listen on {host}:{port}: the port is in use or not permitted; choose another with --port"
        ) from error
    return server
