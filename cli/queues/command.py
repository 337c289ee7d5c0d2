"""`mgw queues`: what waits on each queue, and which queues are held."""

from typing import Any

import click

from ...schemas.fields import parse_timestamp
from ..answering import answering_target
from ..target import app_option
from ..terminal.group import Group
from ..terminal.output import show_json, show_table
from ..terminal.plain import plain
from ..terminal.wording import ago
from .by_hand import auto, hold, release
from .move import move
from .rows import rows

_COLUMNS = ["queue", "waiting", "held_for", "since", "why", "permits_a_second", "free_at"]


@click.group(name="queues", cls=Group, invoke_without_command=True)
@app_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, app_name: str | None, as_json: bool) -> None:
    """Show how many tasks wait on each queue, and which queues are held, by a person or because a service is down.

    A held queue keeps its tasks in Redis: no worker takes them, and they spend no attempts. When the service is back,
    the queue is released step by step: `permits_a_second` doubles until it is `free_at`, the rate before. A person's
    `hold` and `release` count until a person says otherwise.

    \b
    Example:
      mgw queues
      mgw queues try registry
      mgw queues hold memory_graph.vault --reason 'the vault moves until 14:00'
      mgw queues release memory_graph.vault
      mgw queues move --from ''
      mgw queues --app shop:app
    """
    context.obj = app_name
    if context.invoked_subcommand is not None:
        return
    found = list(rows(answering_target(app_name)))
    if as_json:
        show_json({"queues": found})
    else:
        show_table(_COLUMNS, [_shown(row) for row in found], whole={"queue"})


@command.command("try")
@click.argument("service")
@click.pass_obj
def try_(app_name: str | None, service: str) -> None:
    """Try a held service now instead of later: its queues release one task a second.

    If two calls succeed, the queues are released step by step; if one fails, they are held again. A worker must run.

    \b
    Example:
      mgw queues try registry
      mgw queues --app shop:app try bank
    """
    target = answering_target(app_name)
    holds, services = (
        target.delivery.holds,
        sorted({one for needed in target.delivery.needs.values() for one in needed}),
    )
    if service not in services:
        raise click.UsageError(f"There is no service {plain(service)}. Services: {', '.join(services) or 'none'}.")
    if holds.get(service) is None:
        click.echo(f"{service} is not held, so there is nothing to try.")
        return
    holds.ask_for_trial(service)
    click.echo(f"{service} is tried within seconds, if a worker runs. To see how it goes: {target.mgw('queues')}")
    by_hand = holds.by_hand()
    apart = [queue for queue, needed in target.delivery.needs.items() if service in needed and queue in by_hand]
    if apart:
        click.echo(f"Not by these, about which a person has decided: {', '.join(apart)}.")


for subcommand in (hold, release, auto, move):
    command.add_command(subcommand)


def _shown(row: dict[str, Any]) -> list[Any]:
    by_hand = row["by_hand"]
    if by_hand and not by_hand["is_held"]:
        row = {**row, "since": by_hand["since"], "why": f"kept free by {by_hand['by']}: {by_hand['reason']}"}
    since = ago(parse_timestamp(row["since"])) if row["since"] else None
    return [since if name == "since" else row[name] for name in _COLUMNS]
