"""What a command says when it could not do its work."""

import click


class Failure(click.ClickException):
    """The thing failed (exit code 1); the message says what, and what to do next."""

    exit_code = 1


class Refused(Failure):
    """What was given is wrong, and nothing was started (exit code 2)."""

    exit_code = 2
