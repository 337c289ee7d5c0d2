"""The Memory-Graph's gRPC server."""

import signal
import sys
import threading
import time

import grpc

from ...schemas import memory_graph_pb2_grpc as rpc
from ..database.storage import Storage
from ..web.config import address
from .calls import MemoryGraph
from .config import MemoryGraphServiceConfig
from .door import CallThreads, Door
from .messages import MAX_MESSAGE_BYTES
from .records import Base

_STOP_SECS = 8  # as in the HTTP services
_LINGER_SECS = 0.3
_STOPS = {signal.SIGTERM, signal.SIGINT}


def prepare(config: MemoryGraphServiceConfig) -> None:
    """Create the tables."""
    storage = Storage(config.database_url, Base)
    storage.create()
    storage.close()


def run(config: MemoryGraphServiceConfig, host: str, port: int, threads: int) -> None:
    """Serve until SIGTERM or SIGINT; further ones change nothing."""
    # Blocked before any thread starts, so that no thread takes one. A handler that sets an event that this thread
    # waits for would deadlock if a second signal came while it holds the event's lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    storage = Storage(config.database_url, Base, threads)
    calls = CallThreads(threads)
    server = make_server(storage, host, port, calls, config.keys)
    server.start()
    print(f"memory-graph ready on grpc://{address(host, port)}", file=sys.stderr, flush=True)  # noqa: T201
    signal.sigwait(_STOPS)
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
        ("grpc.max_concurrent_streams", 256),  # of one connection
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
    ]
    server = grpc.server(calls, interceptors=[Door(keys, calls)], options=options)
    rpc.add_MemoryGraphServiceServicer_to_server(MemoryGraph(storage), server)
    try:
        server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise ValueError(
            f"cannot listen on {host}:{port}: the port is in use or not permitted; choose another with --port"
        ) from error
    return server
