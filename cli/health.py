"""`mgw health`: check one part of the system on this host; made for a container's health check."""

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

from .stack.ports import LOOPBACK, http_status
from .terminal.failure import Failure

_MOST_SECS = 8  # Compose gives a check 10 seconds, of which a busy machine needs some to start it
_ASK_SECS = 4.0
_OK = 200
_PAGES = {
    "registry": (8080, "/health"),
    "vault": (9000, "/health"),
    "flower": (5555, "/healthcheck"),
    "metrics": (9540, "/healthz"),
    "outbox": (9541, "/healthz"),
}
_PARTS = ["registry", "vault", "memory-graph", "worker", "beat", "flower", "metrics", "outbox"]


@click.command(name="health")
@click.argument("part", type=click.Choice(_PARTS))
@click.option("--port", type=click.IntRange(1, 65535), help="Port; default: 8080, 9000, 50051, 5555, 9540 and 9541.")
@click.option("--name", help="Node name of the worker; default: celery@HOSTNAME.")
def command(part: str, port: int | None, name: str | None) -> None:
    """Check one part on this host: exit with 0 if it is healthy, with 1 and a one-line reason if not.

    registry, vault, memory-graph, flower, metrics and outbox (its --metrics-port) are asked on their ports. A worker
    must respond to a ping through the broker. Beat must have renewed its lock in Redis within the last 30 seconds.
    Worker and beat need REDIS_URL (the worker: or CELERY_BROKER_URL) and are not healthy while Redis is down. The check
    takes at most 8 seconds.

    \b
    Example:
      mgw health worker
      mgw health registry --port 8081
    """
    with _bounded():
        _check(part, port, name)
    click.echo("healthy")


def _check(part: str, port: int | None, name: str | None) -> None:
    if part == "worker":
        check_worker(name or f"celery@{socket.gethostname()}")
    elif part == "beat":
        check_beat()
    elif part == "memory-graph":
        check_memory_graph(port or 50051)
    else:
        usual_port, path = _PAGES[part]
        check_http(port or usual_port, path)


def check_http(port: int, path: str) -> None:
    """Check an HTTP service on this host.

    Raises: Failure unless it responds with 200.
    """
    status = http_status(port, path)
    if status != _OK:
        raise Failure(f"{path} on port {port} returned {status}." if status else f"Nothing answers on port {port}.")


def check_memory_graph(port: int) -> None:
    """Check a Memory-Graph on this host.

    Raises: IntegrationError if it does not serve.
    """
    from ..clients.config import MemoryGraphConfig, RetryPolicy
    from ..clients.memory_graph import MemoryGraphClient

    config = MemoryGraphConfig(f"grpc://{LOOPBACK}:{port}", timeout_secs=_ASK_SECS, enable_logging=False)
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1)) as graph:
        graph.health_check()


def check_worker(name: str) -> None:
    """Ping a worker through the broker.

    Raises: Failure if it does not respond; an error of Redis if that is down.
    """
    from celery import Celery

    from ..delivery.broker.transport import broker_settings
    from ..delivery.keys import prefix_option
    from ..tasks.config import BrokerConfig

    config = BrokerConfig.from_env()
    with Celery(set_as_current=False) as app:
        app.conf.update(
            broker_settings(config.broker),
            broker_transport_options={
                **prefix_option(config.prefix),
                "socket_connect_timeout": _ASK_SECS,
                "socket_timeout": _ASK_SECS,
            },
            broker_connection_timeout=_ASK_SECS,
        )
        if not app.control.ping(destination=[name], timeout=_ASK_SECS):
            raise Failure(f"The worker {name} does not respond.")


def check_beat() -> None:
    """Check that a beat holds the lock in Redis, which lapses when no beat renews it.

    Raises: Failure if none does; an error of Redis if that is down.
    """
    from redbeat.schedulers import RedBeatConfig  # pyright: ignore[reportMissingTypeStubs]

    from ..delivery.connections.connection import connect
    from ..tasks.app import app
    from ..tasks.config import BrokerConfig

    url = BrokerConfig.from_env().state
    with connect(url, timeout_secs=_ASK_SECS, connect_timeout_secs=_ASK_SECS) as connection:
        if not connection.exists(RedBeatConfig(app).lock_key):
            raise Failure("No beat has renewed its lock for 30 seconds.")


@contextmanager
def _bounded() -> Generator[None]:
    """Give up in time, whatever hangs: a slow name lookup, or a broker that accepts a connection and says nothing."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_MOST_SECS)
    try:
        yield
    finally:
        signal.alarm(0)


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise Failure(f"No response within {_MOST_SECS} seconds.")
