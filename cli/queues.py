"""`mgw queues`: what waits, and which queues are held because a service is down."""

from collections.abc import Iterator
from typing import Any

import click

from ..delivery import Hold
from ..schemas.fields import format_timestamp
from .target import Target, app_option, target_of
from .terminal.output import show_json, show_table

_COLUMNS = ["queue", "waiting", "held_for", "since", "why", "permits_a_second"]


@click.command(name="queues")
@app_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(app_name: str | None, as_json: bool) -> None:
    """Show how many tasks wait on each queue, and which queues are held because a service is down.

    A held queue keeps its tasks in Redis: no worker takes them, and they spend no attempts. When the service is back,
    the queue is released step by step.

    \b
    Example:
      mgw queues
      mgw queues --app shop:app
    """
    found = list(rows(target_of(app_name)))
    if as_json:
        show_json({"queues": found})
    else:
        show_table(_COLUMNS, [[row[name] for name in _COLUMNS] for row in found])


def rows(target: Target) -> Iterator[dict[str, Any]]:
    """Each queue, with the strictest hold on it."""
    with target.broker() as broker:
        for queue in target.queues:
            yield {"queue": queue, "waiting": target.waiting(broker, queue), **_why(target.hold(queue))}


def _why(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"held_for": "", "since": "", "why": "", "permits_a_second": ""}
    since = format_timestamp(hold.since)
    return {"held_for": hold.service, "since": since, "why": hold.why, "permits_a_second": hold.permits}
