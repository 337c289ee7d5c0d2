"""`mgw queues move`: bring what waits under old names to the names of today."""

from typing import Any

import click

from ...delivery.connections.address import check_address, restore_credentials, without_credentials
from ...delivery.keys import KEY_PREFIX, KEY_PREFIX_MUST
from ...delivery.moving import Move
from ..answering import answering_target, must_answer
from ..target import Target
from ..terminal.output import ask, show_json, show_table
from ..terminal.progress import bar
from ..terminal.wording import counted
from .moving import Kind, is_same, kinds, move_of


@click.command()
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
    target = answering_target(app_name)
    found = _move_of(target, old_prefix, old_url)
    must_answer([old_url] if old_url else ())
    listed = list(kinds(target, found))
    there = {kind.name: kind.count() for kind in listed}
    total = sum(there.values())
    names = {
        "from": _where(old_url or restore_credentials(target.delivery.url), old_prefix),
        "to": _where(restore_credentials(target.delivery.url), target.delivery.key_prefix),
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
            check_address(old_url)
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
    return f"{key_prefix or 'names without prefix'} at {without_credentials(url)}"


def _moved(kind: Kind, there: int) -> dict[str, Any]:
    moved = sum(bar(kind.name, kind.move(), int, there))
    left = kind.count()
    return {"kind": kind.name, "moved": moved, "left": left, "why": kind.why_left if left else None}
