"""Programs that listen on a port: started on free ones, side by side, and waited for."""

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
    """How one program is started on a port, and how to see that it serves."""

    name: str
    command: Callable[[int], Sequence[str]]
    environ: Mapping[str, str]
    is_ready: Callable[[int], bool]


@dataclass(frozen=True)
class Running:
    """A server that serves."""

    server: Server
    child: Child
    port: int


def start_all(children: Children, servers: Iterable[Server]) -> dict[str, Running]:
    """Start servers side by side, each on a free port, and wait until all serve.

    Raises: Failure where one ends or does not serve in time, with the last lines of its log.
    """
    started = [launch(children, server, free_port()) for server in servers]
    return {running.server.name: _settled(children, running) for running in started}


def launch(children: Children, server: Server, port: int) -> Running:
    """Start a server without waiting for it."""
    return Running(server, children.start(server.name, server.command(port), server.environ), port)


def wait_ready(running: Running) -> None:
    """Wait until a server serves.

    Raises: Failure where it ends or does not serve in time.
    """
    wait_for_child(running.child, lambda: running.server.is_ready(running.port))


def wait_for_child(child: Child, is_ready: Callable[[], bool]) -> None:
    """Wait for a program's sign of readiness.

    Raises: Failure where it ends, or gives none in time.
    """
    in_time = wait_until(lambda: not child.is_alive or is_ready(), _START_SECS)
    if not child.is_alive:
        raise died(child)
    if not in_time:
        raise Failure(f"The {child.name} does not answer after {_START_SECS:.0f} s. Its log:\n{child.log_tail()}")


def _settled(children: Children, running: Running) -> Running:
    """Wait for a server; where another program took its port meanwhile, start it on another one."""
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
