"""The `mgw` command: a group that imports a command only when it is used, so that help is quick."""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from ..clients.errors import IntegrationError
from .completion.words import command_of
from .extras import install_hint
from .terminal.group import Group
from .terminal.plain import plain_lines

# A command's name: its module, attribute, and line in `mgw --help`.
COMMANDS = {
    "demo": ("demo.command", "command", "Watch the whole system archive real conversations, and check every word."),
    "dev": ("stack.dev", "command", "Run the whole stack on this machine to develop against."),
    "status": ("status.command", "command", "Show everything at a glance, once or again and again."),
    "sweep": ("sweep", "command", "Archive what is due now, or list what would be archived."),
    "sweeps": ("sweeps", "command", "Show past sweeps; pause and resume sweeps."),
    "queues": ("queues.command", "command", "Show what waits and what is held; hold and release queues by hand."),
    "dead": ("dead.command", "command", "List, show, replay and purge dead letters: what failed for good."),
    "report": ("report.command", "command", "Report a month's sweeps, archives, failures and dead letters."),
    "flower": ("flower.command", "command", "Monitor workers, tasks and queues in a browser, behind a password."),
    "outbox": ("outbox", "command", "Send the tasks that wait in the outbox of your application's database."),
    "metrics": ("metrics.command", "command", "Serve metrics of queues, workers and services for Prometheus."),
    "schema": ("schema.command", "command", "Print the contract of all tasks: AsyncAPI and JSON Schema."),
    "doctor": ("doctor.command", "command", "Check everything that can lose tasks, and say how to fix it."),
    "migrate": ("migrate", "command", "Create or migrate the databases of the reference services."),
    "vault": ("vault.command", "command", "Manage the reference vault: its keys, and archives that have expired."),
    "serve": ("serve", "command", "Run one of the reference services in the foreground."),
    "completion": (
        "completion.command",
        "command",
        "Print the script that lets a shell complete mgw's words.",
    ),
    "health": ("health", "command", "Check one part on this host; for a container's health check."),
}


class LazyGroup(Group):
    """Imports the module of a command when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands; imports nothing."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, which is imported now; to complete words, one that only has the same words."""
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing:
            return command_of(cmd_name)
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(import_module(f"{__package__}.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="memory-graph-workers")
def mgw() -> None:
    """Celery workers that keep an LLM conversation store in step with LLM-Registry and Data-Vault.

    Exit codes: 0 success, 1 failure (the message says why), 2 wrong usage or settings.

    \b
    Example:
      mgw demo
    """


def main() -> NoReturn:
    """Run the command line; exit with 0, 1, 2, or 128 + the signal that stopped it."""
    guarded(lambda: mgw.main(prog_name="mgw", standalone_mode=False))


def guarded(run: Callable[[], Any]) -> NoReturn:
    """Run to the end, and turn errors into a message and an exit code.

    TERM and HUP end the program as Ctrl-C does: `with` blocks are left in order and child processes are stopped.
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
        click.echo(f"Error: {plain_lines(str(error))}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("memory_graph_workers"):
            raise
        click.echo(f"Error: {error.name} is not installed: {install_hint()}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if not _is_about_redis(error):
            raise
        click.echo(f"Error: {_about_redis(error)}", err=True)
        sys.exit(1)


def _about_redis(error: Exception) -> str:
    from ..delivery.connections.replies import State, state_of, summary_of
    from ..delivery.errors import DeliveryUncertain

    if isinstance(error, DeliveryUncertain):
        return str(error)
    if state_of(error) in (None, State.AWAY):
        return f"Redis does not answer ({type(error).__name__}). Is it up, and is its address (REDIS_URL) right?"
    return f"Redis refuses ({summary_of(error)}). See docs/troubleshooting.md, and try again."


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _is_about_redis(error: Exception) -> bool:
    """Whether Redis is the cause. Redis is imported only here, because importing it would slow down every command."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    if isinstance(error, RuntimeError):  # raised by Celery when the result backend has been down for about 20 seconds
        return "result store" in str(error)
    return isinstance(error, RedisError | OperationalError)
