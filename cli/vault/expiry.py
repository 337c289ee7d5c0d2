"""`mgw vault expire` and `mgw vault deletions`: archives that have expired, and archives that were deleted."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..terminal.failure import Failure
from ..terminal.output import show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    from ...services.database.storage import Storage
    from ...services.vault.deletions import Expired

_IDS = {"archive id", "session id"}
_ONLY_JSON = {"archived_at"}  # what the sender says; retention counts from when the vault received the archive


@click.command()
@click.option("--dry-run", is_flag=True, help="List what would be deleted; delete nothing.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --yes or --dry-run.")
def expire(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete the archives whose retention has ended and whose policy says auto_delete, and no others.

    Each deletion is recorded in the same transaction (see `mgw vault deletions`). Run it regularly, for example daily.

    \b
    Example:
      mgw vault expire --dry-run
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask for confirmation. Pass --yes to delete, or --dry-run to list.")
    from .database import vault_database

    with vault_database() as (config, storage):
        now = config.now()
        if not (yes or dry_run):
            _ask(storage, now)
        _run(storage, now, dry_run, as_json)


@click.command()
@click.option("--session", "session_id", help="Only the archives of this session.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def deletions(session_id: str | None, limit: int, as_json: bool) -> None:
    """List deleted archives, newest first: when and why each was deleted, and until when it had to be kept.

    \b
    Example:
      mgw vault deletions --limit 10
    """
    from ...services.vault.deletions import latest
    from .database import vault_database

    with vault_database() as (_, storage):
        rows = [_written(deletion) for deletion in latest(storage, limit, session_id)]
    _show(rows, {"deletions": rows}, as_json)


def _ask(storage: "Storage", now: "datetime") -> None:
    from ...services.vault.deletions import find_expired

    count = sum(map(len, find_expired(storage, now)))
    try:
        if count:
            click.confirm(f"Delete {count} archives for good?", abort=True, err=True)
    except click.Abort as error:
        raise Failure("Nothing was deleted. To delete without confirmation, pass --yes.") from error


def _run(storage: "Storage", now: "datetime", dry_run: bool, as_json: bool) -> None:
    gone: list[Expired] = []
    try:
        for page in _pages(storage, now, dry_run):
            gone += page
    finally:  # also after a failure or Ctrl-C: these were deleted
        rows = [_written(archive) for archive in gone]
        _show(rows, {"dry_run": dry_run, "count": len(rows), "archives": rows}, as_json)
        if not as_json:
            click.echo(f"{len(rows)} archives {'would be' if dry_run else 'were'} deleted.")


def _pages(storage: "Storage", now: "datetime", dry_run: bool) -> "Iterator[list[Expired]]":
    from ...services.vault.deletions import expire, find_expired
    from ..terminal.progress import bar

    if dry_run:
        return find_expired(storage, now)
    total = sum(map(len, find_expired(storage, now)))
    return bar("Deleting", expire(storage, now), len, total)


def _written(row: Any) -> dict[str, Any]:
    from ...schemas.fields import format_timestamp

    facts = asdict(row).items()
    return {name: format_timestamp(value) if name.endswith(("_at", "_until")) else value for name, value in facts}


def _show(rows: Sequence[dict[str, Any]], whole: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(whole)
    elif rows:
        names = [name for name in rows[0] if name not in _ONLY_JSON]
        cells = [[row[name] for name in names] for row in rows]
        show_table([name.replace("_", " ") for name in names], cells, whole=_IDS)
