"""A group of commands that says which one was meant when a name is misspelt."""

from difflib import get_close_matches
from typing import Any

import click

from .plain import plain


class Group(click.Group):
    """A group whose refusal of an unknown command names the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name.

        Raises: click.UsageError if there is none.
        """
        name: Any = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {plain(name)}.{hint}", ctx)
        return super().resolve_command(ctx, args)
