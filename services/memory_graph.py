"""A Memory-Graph: conversations over gRPC."""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

from ..schemas import memory_graph_pb2_grpc as rpc
from .config import MemoryGraphServiceConfig, address
from .memory_graph_calls import MemoryGraph
from .memory_graph_records import Base
from .storage import Storage

LARGEST_MESSAGE_BYTES = 64 * 2**20
_STOP_SECS = 8  # as the HTTP services


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
    server = make_server(storage, host, port, threads)
    server.start()
    print(f"memory-graph ready on grpc://{address(host, port)}", file=sys.stderr, flush=True)  # noqa: T201
    stop.wait()
    server.stop(_STOP_SECS).wait(_STOP_SECS + 0.3)
    storage.close()


def make_server(storage: Storage, host: str, port: int, threads: int) -> grpc.Server:
    """A server that is bound and not yet started.

    Raises: ValueError where the address cannot be had.
    """
    options = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a helper
    ]
    server = grpc.server(ThreadPoolExecutor(threads), options=options)
    rpc.add_MemoryGraphServiceServicer_to_server(MemoryGraph(storage), server)
    try:
        server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise ValueError(f"cannot listen on {host}:{port}") from error
    return server
