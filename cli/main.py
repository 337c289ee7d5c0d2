"""The `mgw` command: a group whose commands are imported when they are used, so that help is quick."""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from ..clients.errors import IntegrationError

# Name of the command: module, attribute, and its line in `mgw --help`.
COMMANDS = {
    "demo": ("demo.command", "command", "Watch the whole system archive real conversations, and check every word."),
    "dev": ("stack.dev", "command", "Keep the same stack running on this machine, to work against."),
    "sweep": ("sweep", "command", "Archive what is due now, or see what would be."),
    "sweeps": ("sweeps", "command", "Look at past sweeps, pause them, let them start again."),
    "queues": ("queues", "command", "Show what waits, and which queues are held because a service is down."),
    "dead": ("dead.command", "command", "Look at the messages that failed for good, send them again, remove them."),
    "flower": ("flower.command", "command", "Watch workers, tasks and queues in a browser, behind a password."),
    "schema": ("schema.command", "command", "Print the contract of all tasks: AsyncAPI and JSON Schema."),
    "doctor": ("doctor.command", "command", "Check everything that can lose jobs, and say how to mend it."),
    "migrate": ("migrate", "command", "Make or change the tables of the reference services' databases."),
    "vault": ("vault.command", "command", "Look after the reference vault: its keys, and what has expired."),
    "serve": ("serve", "command", "Run one of the reference services in the foreground."),
    "health": ("health", "command", "Say by exit code whether a part on this host does its work."),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, without an import."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(import_module(f"{__package__}.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="memory-graph-workers")
def mgw() -> None:
    """Celery workers that keep an LLM conversation store in step with LLM-Registry and Data-Vault.

    Exit codes: 0 it worked, 1 it failed (the message says why), 2 wrong usage.

    \b
    Example:
      mgw demo
    """


def main() -> NoReturn:
    """Run the command line; exit with 0, 1, 2, or 128 + the signal that stopped it."""
    guarded(lambda: mgw.main(prog_name="mgw", standalone_mode=False))


def guarded(run: Callable[[], Any]) -> NoReturn:
    """Run to the end, and turn what went wrong into a message and an exit code.

    TERM and HUP end the program as Ctrl-C does: blocks are left in order, children stopped.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        sys.exit(run())
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IntegrationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("memory_graph_workers"):
            raise
        click.echo(f"Error: {error.name} is not installed: pip install 'memory-graph-workers[all]'", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if not _is_about_redis(error):
            raise
        click.echo(f"Error: Redis does not answer ({type(error).__name__}); is it up, and REDIS_URL right?", err=True)
        sys.exit(1)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _is_about_redis(error: Exception) -> bool:
    """Asked only when something went wrong: importing redis earlier would slow every command."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    if isinstance(error, RuntimeError):  # Celery's own, where the results have been away for some 20 seconds
        return "result store" in str(error)
    return isinstance(error, RedisError | OperationalError)
