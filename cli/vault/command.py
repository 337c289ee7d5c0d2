"""`mgw vault`: the keys of the reference vault."""

import click

from ..terminal.failure import Failure
from ..terminal.group import Group
from ..terminal.output import show_json, show_table
from .expiry import deletions, expire


@click.group(cls=Group)
def command() -> None:
    """Manage the reference vault: its keys, and archives that have expired.

    All commands except `new-key` work on the vault's database. Run them with the vault's environment (DATABASE_URL
    or VAULT_DATABASE_URL, VAULT_KEYS, VAULT_ENCRYPTION_KEYS); the vault may keep running.

    \b
    Example:
      mgw vault keys
    """


@command.command("new-key")
def new_key_() -> None:
    """Print a new random key for VAULT_ENCRYPTION_KEYS. Keep it safe: without it the archives cannot be read.

    \b
    Example:
      (umask 077 && mgw vault new-key > vault.key) && export VAULT_ENCRYPTION_KEYS_FILE=vault.key
    """
    from ...services.vault.keys import new_key

    click.echo(new_key())


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def keys(as_json: bool) -> None:
    """List the ids of all keys, how many archives need each, and which may be removed.

    Exits with 1 if archives need a key that is not in VAULT_ENCRYPTION_KEYS.

    \b
    Example:
      mgw vault keys
    """
    from ...services.vault.rotation import key_uses
    from .database import vault_database

    with vault_database() as (config, storage):
        uses = key_uses(storage, config.encryption_keys)
    if as_json:
        show_json({"keys": [{"key_id": use.key_id, "archives": use.archives, "state": use.state} for use in uses]})
    else:
        show_table(["key", "archives", "state"], [(use.key_id, use.archives, use.state.explain()) for use in uses])
    lost = [use.key_id for use in uses if use.is_lost]
    if lost:
        raise Failure(f"Archives need keys that VAULT_ENCRYPTION_KEYS lacks. Add these keys again: {', '.join(lost)}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rotate(as_json: bool) -> None:
    """Encrypt the data keys of all archives with the first key of VAULT_ENCRYPTION_KEYS; the data is not touched.

    The vault may keep running. If it is interrupted, the next run continues. Exits with 1 if an archive could not
    be read.

    \b
    Example:
      mgw vault rotate
    """
    from ...services.vault import rotation as vault_rotation
    from ..terminal.progress import bar
    from .database import vault_database

    rotated, unreadable = 0, list[str]()
    with vault_database() as (config, storage):
        ring = config.encryption_keys
        total = sum(use.archives for use in vault_rotation.key_uses(storage, ring) if use.key_id != ring.first.id)
        for page in bar("Encrypting data keys", vault_rotation.rotate(storage, ring), lambda page: page.size, total):
            rotated, unreadable = rotated + page.rotated, unreadable + page.unreadable
    if as_json:
        show_json({"key_id": ring.first.id, "rotated": rotated, "unreadable": unreadable})
    else:
        click.echo(f"{rotated} archives now use the key {ring.first.id}.")
    if unreadable:
        some = ", ".join(unreadable[:10])
        raise Failure(f"Cannot read {len(unreadable)} archives, for example {some}. See: mgw vault keys")


command.add_command(expire)
command.add_command(deletions)
