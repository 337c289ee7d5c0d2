"""`mgw health`: whether one part of the system, on this host, does its work; made for a container's health check."""

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

from .stack.ports import LOOPBACK, http_status
from .terminal.failure import Failure

_MOST_SECS = 5
_ASK_SECS = 2.0
_OK = 200
_PAGES = {"registry": (8080, "/health"), "vault": (9000, "/health"), "flower": (5555, "/healthcheck")}
# Where redbeat keeps the lock of the beat that sends; it lapses when no beat renews it.
_BEAT_LOCK = "memory_graph:beat::lock"


@click.command(name="health")
@click.argument("part", type=click.Choice(["registry", "vault", "memory-graph", "worker", "beat", "flower"]))
@click.option("--port", type=click.IntRange(1, 65535), help="The port; default: 8080, 9000, 50051 and 5555.")
@click.option("--name", help="The worker's node name; default: celery@ and this host's name.")
def command(part: str, port: int | None, name: str | None) -> None:
    """Say whether a part on this host does its work: exit code 0, or 1 and one line why not; within 5 seconds.

    registry, vault and memory-graph are asked for their health on their port, flower for its /healthcheck. A worker
    answers a message through the broker. Of beat is asked whether one has renewed its lock in Redis within half a
    minute. Worker and beat need REDIS_URL (or CELERY_BROKER_URL for the worker), and are not healthy without Redis.

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
    """Ask an HTTP service on this host.

    Raises: Failure where it answers anything but 200.
    """
    status = http_status(port, path)
    if status != _OK:
        raise Failure(f"{path} on port {port} answered {status}." if status else f"Nothing answers on port {port}.")


def check_memory_graph(port: int) -> None:
    """Ask a Memory-Graph on this host.

    Raises: IntegrationError where it does not serve.
    """
    from ..clients.config import MemoryGraphConfig, RetryPolicy
    from ..clients.memory_graph import MemoryGraphClient

    config = MemoryGraphConfig(f"grpc://{LOOPBACK}:{port}", timeout_secs=_ASK_SECS, enable_logging=False)
    with MemoryGraphClient(config, retry_policy=RetryPolicy(max_attempts=1)) as graph:
        graph.health_check()


def check_worker(name: str) -> None:
    """Ask a worker through the broker.

    Raises: Failure where it does not answer; an error of Redis where that is away.
    """
    from celery import Celery

    from ..delivery.transport import broker_settings
    from ..tasks.config import BrokerConfig

    with Celery(set_as_current=False) as app:
        app.conf.update(
            broker_settings(BrokerConfig.from_env().broker),
            broker_transport_options={"socket_connect_timeout": _ASK_SECS, "socket_timeout": _ASK_SECS},
            broker_connection_timeout=_ASK_SECS,
        )
        if not app.control.ping(destination=[name], timeout=_ASK_SECS):
            raise Failure(f"The worker {name} does not answer.")


def check_beat() -> None:
    """Look for the lock of a beat that sends.

    Raises: Failure where there is none; an error of Redis where that is away.
    """
    from redis import Redis

    from ..tasks.config import BrokerConfig

    url = BrokerConfig.from_env().redis_url
    with Redis.from_url(url, socket_connect_timeout=_ASK_SECS, socket_timeout=_ASK_SECS) as connection:
        if not connection.exists(_BEAT_LOCK):
            raise Failure("No beat has sent anything for half a minute.")


@contextmanager
def _bounded() -> Generator[None]:
    """Give up in time, whatever hangs: a name that does not resolve, a broker that takes a connection and is silent."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_MOST_SECS)
    try:
        yield
    finally:
        signal.alarm(0)


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise Failure(f"No answer within {_MOST_SECS} seconds.")
