"""Programs that listen on a port: started in parallel on free ports, and waited for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..terminal.failure import Failure
from .ports import free_port, is_free
from .processes import Child, Children, died
from .watcher import wait_until

_START_SECS = 60.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Server:
    """How to start one program on a port, and how to tell that it serves."""

    name: str
    command: Callable[[int], Sequence[str]]
    environ: Mapping[str, str]
    is_ready: Callable[[int], bool]


@dataclass(frozen=True)
class Running:
    """A server that was started, with its process and its port."""

    server: Server
    child: Child
    port: int


def start_all(children: Children, servers: Iterable[Server]) -> dict[str, Running]:
    """Start servers in parallel, each on a free port, and wait until all of them serve.

    Raises: Failure with the end of its log if one exits or does not serve in time.
    """
    started = [launch(children, server, free_port()) for server in servers]
    return {running.server.name: _settled(children, running) for running in started}


def launch(children: Children, server: Server, port: int) -> Running:
    """Start a server without waiting for it."""
    return Running(server, children.start(server.name, server.command(port), server.environ), port)


def wait_ready(running: Running) -> None:
    """Wait until a server serves.

    Raises: Failure if it exits or does not serve in time.
    """
    wait_for_child(running.child, lambda: running.server.is_ready(running.port))


def wait_for_child(child: Child, is_ready: Callable[[], bool]) -> None:
    """Wait until `is_ready` returns true.

    Raises: Failure if the program exits first, or is not ready in time.
    """
    in_time = wait_until(lambda: not child.is_alive or is_ready(), _START_SECS)
    if not child.is_alive:
        raise died(child)
    if not in_time:
        raise Failure(f"The {child.name} is not ready after {_START_SECS:.0f} s. Its log ends:\n{child.log_tail()}")


def _settled(children: Children, running: Running) -> Running:
    """Wait for a server; if another program took its port in the meantime, start it on another port."""
    for _ in range(_ATTEMPTS - 1):
        try:
            wait_ready(running)
        except Failure:
            if running.child.is_alive or is_free(running.port):
                raise
            children.stop(running.child)
            running = launch(children, running.server, free_port())
        else:
            return running
    wait_ready(running)
    return running
