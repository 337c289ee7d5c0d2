"""Connections that hang at the doors of all three services, while these have work to do."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import grpc
from faults.fleet import HERE, Fleet, until
from faults.matrix import Row
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.stack.servers import launch, wait_ready
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas import memory_graph_pb2_grpc as rpc
from support.our_app import KEYS

MOST = 16
SERVICES = ("registry", "vault", "memory_graph")
HTTP = ("registry", "vault")
ROW_BYTES, ROWS = 2**20, 8
HEALTH_SECS = 15.0  # however slow the machine
HEAD = b"POST /api/v1/usage HTTP/1.1\r\nHost: here\r\n"
# One byte; a head without an end; a body that never comes. None has a key.
BEGINNINGS = (b"P", HEAD, HEAD + b"Content-Length: 60000000\r\n\r\n")


class Hanging:
    """Keeps so many connections open that say little, whatever the service does about them."""

    def __init__(self, port: int) -> None:
        self._port, self.opened = port, 0
        self._open: dict[int, socket.socket] = {}

    def keep(self) -> None:
        """Open again what the service has closed."""
        for number in range(MOST):
            if number not in self._open or _is_closed(self._open[number]):
                with suppress(OSError):
                    self._open[number] = self._begun(number)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()

    def _begun(self, number: int) -> socket.socket:
        if number in self._open:
            self._open[number].close()
        connection = socket.create_connection((LOOPBACK, self._port), 2)
        connection.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        connection.setblocking(False)
        self.opened += 1
        return connection


def _is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(2**16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


class Unread:
    """Keeps so many streams of the graph open that nobody reads."""

    def __init__(self, fleet: Fleet) -> None:
        self._address, self._key = f"{LOOPBACK}:{fleet.stack.port('memory-graph')}", fleet.stack.keys.memory_graph
        self._streams: dict[int, Any] = {}
        self.opened = 0
        with MemoryGraphClient(MemoryGraphConfig.from_env(fleet.stack.environ)) as graph:
            self._session_id = graph.create_session().id
            for _ in range(ROWS):
                graph.add_prompt(self._session_id, "x" * ROW_BYTES)
        self._channel = grpc.insecure_channel(self._address)

    def keep(self) -> None:
        """Open again what the service has ended."""
        stub: Any = rpc.MemoryGraphServiceStub(self._channel)
        asked = pb.QueryRequest(session_id=self._session_id)
        for number in range(MOST):
            if number not in self._streams or self._streams[number].done():
                self._streams[number] = stub.StreamQuery(asked, metadata=[("authorization", f"Bearer {self._key}")])
                self.opened += 1

    def close(self) -> None:
        self._channel.close()


@contextmanager
def hung(fleet: Fleet) -> Generator[list[float]]:
    """Keep the connections open in the block; yields how long each look at a service's health took meanwhile."""
    took: list[float] = []
    doors = [*(Hanging(fleet.stack.port(name)) for name in HTTP), Unread(fleet)]
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.2):
            for door in doors:
                door.keep()

    def look() -> None:
        while not done.wait(1.0):
            for name in HTTP:
                took.append(_secs_to_answer(fleet.stack.port(name)))

    with ExitStack() as exits:
        for work in (keep, look):
            thread = threading.Thread(target=work, name="doors")
            thread.start()
            exits.callback(thread.join)
        exits.callback(done.set)
        until(lambda: all(door.opened >= MOST for door in doors), 30, "all connections are open")
        yield took
    for door in doors:
        door.close()


def _secs_to_answer(port: int) -> float:
    since = time.monotonic()
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/health", timeout=HEALTH_SECS):
            return time.monotonic() - since
    except OSError:
        return float("inf")


def run_without(fleet: Fleet, off: str) -> None:
    """Start the services again without one of their mechanisms."""
    for name in (*HTTP, "memory-graph"):
        old = fleet.part(name)
        fleet.stack.children.stop(old.child)
        command: Callable[[int], list[str]] = lambda port, name=name: [  # noqa: E731
            *(sys.executable, "-m", "service_app", name, "--host", LOOPBACK, "--port", str(port))
        ]
        environ = {**old.server.environ, "PYTHONPATH": str(HERE), "SWITCHED_OFF": off}
        server = replace(old.server, command=command, environ=environ)
        fleet.stack._running[name] = launch(fleet.stack.children, server, old.port)
        wait_ready(fleet.part(name))


def hangs_at_doors(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let connections hang at every service while a sweep and reports need them."""
    if off:
        run_without(fleet, off)
    fleet.start_workers()
    held: set[str] = set()
    with hung(fleet) as took:
        fleet.work()
        end = time.monotonic() + 120
        while not fleet.is_idle() and not held and time.monotonic() < end:
            held |= {name for name in SERVICES if fleet.redis.exists(KEYS.hold(name))}
            time.sleep(0.1)
        row.demand(not held, f"held meanwhile: {sorted(held)}")
        row.judge(fleet, secs=5 if held else 120)
    row.runs = MOST * len(SERVICES)
    row.demand(took and max(took) < float("inf"), "a service did not answer to /health")


def test_connections_that_hang(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        f"{MOST} hung connections to each service during a sweep",
        "nothing is held, /health answers, the sweep and all reports are done meanwhile",
        "registry and vault: one byte, half a head, a body that never comes; the graph: streams that nobody reads; "
        "opened again when closed; runs = connections at a time",
        43,
    )
    hangs_at_doors(fleet(), one)
    one.must_hold()
