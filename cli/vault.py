"""`mgw vault`: the keys of the reference vault, and what it keeps."""

import click


@click.group()
def command() -> None:
    """Look after the reference vault: its keys, and what has expired.

    \b
    Example:
      mgw vault new-key
    """


@command.command("new-key")
def new_key_() -> None:
    """Print a new random key for VAULT_ENCRYPTION_KEYS. Keep it safe: whoever loses it loses the archives.

    \b
    Example:
      mgw vault new-key > vault.key && export VAULT_ENCRYPTION_KEYS_FILE=vault.key
    """
    from ..services.vault_keys import new_key

    click.echo(new_key())
