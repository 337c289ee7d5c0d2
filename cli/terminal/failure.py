"""The errors that a command ends with: a message for the user and an exit code."""

import click


class Failure(click.ClickException):
    """The command failed (exit code 1); the message says why, and what to do next."""

    exit_code = 1


class Refused(Failure):
    """The input or the settings are wrong, and nothing was started (exit code 2)."""

    exit_code = 2
