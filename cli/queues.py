"""`mgw queues`: what waits, and which queues are held because a service is down."""

from collections.abc import Iterator
from typing import Any

import click
import redis

from ..delivery import Hold, installed
from ..schemas.fields import format_timestamp
from ..tasks.app import app
from ..tasks.config import BrokerConfig
from .terminal.failure import Failure
from .terminal.output import show_json, show_table

_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
_COLUMNS = ["queue", "waiting", "held_for", "since", "why", "permits_a_second"]


@click.command(name="queues")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Show how many tasks wait on each queue, and which queues are held because a service is down.

    A held queue keeps its tasks in Redis: none is taken, none spends an attempt. It is freed by itself, in growing
    steps, when the service is back.

    \b
    Example:
      mgw queues
    """
    found = list(rows())
    if as_json:
        show_json({"queues": found})
    else:
        show_table(_COLUMNS, [[row[name] for name in _COLUMNS] for row in found])


def rows() -> Iterator[dict[str, Any]]:
    """Each queue, with the service that restricts it most."""
    url = BrokerConfig.from_env().broker
    if not url.startswith(("redis://", "rediss://")):
        raise Failure("The broker is no Redis: look at its own console.")
    with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as server:
        for queue in (queue.name for queue in app.conf.task_queues):
            yield {"queue": queue, "waiting": waiting(server, queue), **_why(held(queue))}


def waiting(server: "redis.Redis", queue: str) -> int:
    """How many messages are on a queue, of every priority."""
    return sum(server.llen(key) for key in lists(queue))


def lists(queue: str) -> list[str]:
    """The lists in Redis that a queue is made of, one a priority."""
    return [queue + priority for priority in _PRIORITIES]


def held(queue: str) -> Hold | None:
    """The service for which a queue is held, or None."""
    delivery = installed(app)
    return delivery.holds.strictest(delivery.needs.get(queue, ()))


def _why(found: Hold | None) -> dict[str, Any]:
    if found is None:
        return {"held_for": "", "since": "", "why": "", "permits_a_second": ""}
    since = format_timestamp(found.since)
    return {"held_for": found.service, "since": since, "why": found.why, "permits_a_second": found.permits}
