"""Services that are away on purpose, so that one sees what the rest of the stack does without them."""

import shutil

import click

from .stack import Stack

_SERVICES = ("registry", "vault", "memory-graph")


class Outages:
    """Keeps a service away as long as a file of its name is in the stack's directory `away`."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._away: set[str] = set()
        self.directory = stack.directory / "away"
        shutil.rmtree(self.directory, ignore_errors=True)  # an earlier stack's outage
        self.directory.mkdir()

    def follow(self) -> None:
        """Kill each service that got a file since the last call, and start each again whose file has gone."""
        asked = {name for name in _SERVICES if (self.directory / name).exists()}
        for name in sorted(asked - self._away):
            self._stack.kill_server(name)
            click.echo(f"The {name} is away until you delete {self.directory / name}")
        for name in sorted(self._away - asked):
            self._stack.launch_again(name)
            click.echo(f"The {name} starts again.")
        self._away = asked
