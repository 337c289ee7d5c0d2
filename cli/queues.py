"""`mgw queues`: what waits, which queues are held because a service is down, and how all of it goes to other names."""

from collections.abc import Iterator
from typing import Any

import click

from ..delivery import Hold
from ..delivery.connections.address import check, shown, whole
from ..delivery.keys import KEY_PREFIX, KEY_PREFIX_MUST
from ..delivery.moving import Move
from ..schemas.fields import format_timestamp, parse_timestamp
from .moving import Kind, is_same, kinds, move_of
from .other_queues import other_queues
from .target import Target, app_option, target_of
from .terminal.group import Group
from .terminal.output import ask, show_json, show_table
from .terminal.plain import plain
from .terminal.progress import bar
from .terminal.wording import ago, counted

_COLUMNS = ["queue", "waiting", "held_for", "since", "why", "permits_a_second", "free_at"]
_NOBODY = "not a queue of this app: nobody takes from it"


@click.group(name="queues", cls=Group, invoke_without_command=True)
@app_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, app_name: str | None, as_json: bool) -> None:
    """Show how many tasks wait on each queue, and which queues are held because a service is down.

    A held queue keeps its tasks in Redis: no worker takes them, and they spend no attempts. When the service is back,
    the queue is released step by step: `permits_a_second` doubles until it is `free_at`, the rate before.

    \b
    Example:
      mgw queues
      mgw queues try registry
      mgw queues move --from ''
      mgw queues --app shop:app
    """
    context.obj = app_name
    if context.invoked_subcommand is not None:
        return
    found = list(rows(target_of(app_name)))
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
    target = target_of(app_name)
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


@command.command()
@click.option(
    "--from",
    "old_prefix",
    required=True,
    metavar="OLD_PREFIX",
    help="What stands before the old names, like blue:. Empty ('') for names without prefix.",
)
@click.option(
    "--from-url",
    "old_url",
    envvar="MOVE_FROM_URL",
    metavar="URL",
    help="The Redis with the old names, if it is another one; better in MOVE_FROM_URL, as a command line is no secret.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def move(app_name: str | None, old_prefix: str, old_url: str | None, yes: bool, as_json: bool) -> None:
    """Move what waits under old names to where this environment (REDIS_URL, KEY_PREFIX) says that it is now.

    Queues, countdowns, messages of dead workers, dead letters, holds; of this package's own app also sweeps, breakers
    and beat's schedule. Results, locks and the counts of lost children stay: they expire. Stop the old workers and beat
    first, or move again once they have ended. You may end this command at any time and repeat it: nothing is lost.
    Exits with 1 if something is left.

    \b
    Example:
      KEY_PREFIX=blue: mgw queues move --from ''
      MOVE_FROM_URL=redis://old:6379/0 REDIS_URL=redis+cluster://new:6379 mgw queues move --from ''
    """
    target = target_of(app_name)
    found = _move_of(target, old_prefix, old_url)
    listed = list(kinds(target, found))
    there = {kind.name: kind.count() for kind in listed}
    total = sum(there.values())
    names = {
        "from": _where(old_url or whole(target.delivery.url), old_prefix),
        "to": _where(whole(target.delivery.url), target.delivery.key_prefix),
    }
    if total:
        ask(f"Move {counted(total, 'item')} from {names['from']} to {names['to']}?", yes)
    done = [_moved(kind, there[kind.name]) for kind in listed]
    left = sum(row["left"] for row in done)
    if as_json:
        show_json({**names, "moved": done, "left": left})
    else:
        show_table(["kind", "moved", "left", "why it is left"], [list(row.values()) for row in done], whole={"kind"})
        click.echo(f"{sum(row['moved'] for row in done):,} moved, {left:,} left under the old names.")
    if left:
        raise SystemExit(1)


def _move_of(target: Target, old_prefix: str, old_url: str | None) -> Move:
    if not KEY_PREFIX.match(old_prefix):
        raise click.UsageError(f"--from: {KEY_PREFIX_MUST} Or '' for names without prefix.")
    try:
        if old_url:
            check(old_url)
        found = move_of(target, old_prefix, old_url)
    except ValueError as error:
        raise click.UsageError(f"{'--from-url' if old_url else '--from'}: {error}") from None
    if is_same(found):
        raise click.UsageError(
            "Both are the same names on the same server, so there is nothing to move. Run this with the settings of "
            "the new workers (REDIS_URL, KEY_PREFIX), and pass the old prefix as --from."
        )
    return found


def _where(url: str, key_prefix: str) -> str:
    return f"{key_prefix or 'names without prefix'} at {shown(url)}"


def _moved(kind: Kind, there: int) -> dict[str, Any]:
    moved = sum(bar(kind.name, kind.move(), int, there))
    left = kind.count()
    return {"kind": kind.name, "moved": moved, "left": left, "why": kind.why_left if left else None}


def rows(target: Target) -> Iterator[dict[str, Any]]:
    """Each queue, with the strictest hold on it."""
    with target.broker() as broker:
        for queue in target.queues:
            yield {"queue": queue, "waiting": target.waiting(broker, queue), **_why(target.hold(queue))}
        for other in other_queues(target, broker):
            if other.is_ours:
                yield {"queue": other.name, "waiting": other.waiting, **_why(None), "why": _NOBODY}


def _why(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"held_for": None, "since": None, "why": None, "permits_a_second": None, "free_at": None}
    since = format_timestamp(hold.since)
    held = {"held_for": hold.service, "since": since, "why": hold.why}
    return {**held, "permits_a_second": hold.permits, "free_at": hold.free_at}


def _shown(row: dict[str, Any]) -> list[Any]:
    since = ago(parse_timestamp(row["since"])) if row["since"] else None
    return [since if name == "since" else row[name] for name in _COLUMNS]
