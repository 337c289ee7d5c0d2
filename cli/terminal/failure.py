"""The errors that a command ends with: a message for the user and an exit code."""

import click

from .plain import plain_lines


class Failure(click.ClickException):
    """The command failed (exit code 1); the message says why, and what to do next."""

    exit_code = 1

    def format_message(self) -> str:
        """The message, fit for a terminal: it may quote ids and reasons from elsewhere."""
        return plain_lines(self.message)


class Refused(Failure):
    """The input or the settings are wrong, and nothing was started (exit code 2)."""

    exit_code = 2
