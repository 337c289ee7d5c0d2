"""`mgw dev`: the embedded stack, kept running."""

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote

import click

from .directory import lasting_home, temporary_home
from .ports import LOOPBACK
from .processes import Children
from .stack import Stack

_LOOK_EVERY_SECS = 0.5
_PRODUCER = (
    "from memory_graph_workers.schemas.registry import SessionRegistration; "
    "from memory_graph_workers.tasks.registry import register_session; "
    'print(register_session.delay(SessionRegistration("hello-1", "gpt-4")).get(timeout=10))'
)


@click.command(name="dev")
@click.option(
    "--data",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep databases, queues and logs in this directory, and go on from it; default: a temporary one.",
)
@click.option("--keep-logs", is_flag=True, help="Leave the logs of a temporary stack behind.")
def command(directory: Path | None, keep_logs: bool) -> None:
    """Keep the same stack running on this machine, to work against.

    Broker, Registry, Vault, Memory-Graph, a worker, beat and Flower, all on free ports of this machine
    with keys of their own. Prints each address and how to enqueue; Ctrl-C stops all of it. The sweep
    runs as it would in production (ARCHIVAL_INTERVAL_HOURS and the like are not taken from outside).

    \b
    Example:
      mgw dev --data ./stack
    """
    with _home(directory, keep_logs) as (home, children):
        stack = Stack(children, home, {})
        click.echo("Starting …", err=True)
        stack.start_services()
        stack.start_worker()
        stack.start_flower()
        stack.start_beat()
        _tell(stack, stack.write_env_file())
        _stay(children)


def _home(directory: Path | None, keep_logs: bool) -> AbstractContextManager[tuple[Path, Children]]:
    return lasting_home(directory) if directory else temporary_home(keep_logs=keep_logs)


def _tell(stack: Stack, env_file: Path) -> None:
    rows = {
        "Registry": stack.environ["REGISTRY_URL"],
        "Vault": stack.environ["VAULT_URL"],
        "Memory-Graph": stack.environ["MEMORY_GRAPH_URL"],
        "Broker": f"redis://{LOOPBACK}:{stack.port('broker')}/0 (its password is in the environment file)",
        "Flower": f"http://{LOOPBACK}:{stack.port('flower')} (user mgw, password {stack.keys.flower})",
        "Logs": str(stack.children.logs),
        "Environment": f". {quote(str(env_file))}",
    }
    click.echo("\n".join(f"{name + ':':<14}{value}" for name, value in rows.items()))
    enqueue = f". {quote(str(env_file))} && {quote(sys.executable)} -c {quote(_PRODUCER)}"
    click.echo(f"\nEnqueue, in another terminal:\n  {enqueue}\n")
    click.echo("Ready. Ctrl-C stops everything.")
    sys.stdout.flush()


def _stay(children: Children) -> None:
    while True:
        children.check()
        time.sleep(_LOOK_EVERY_SECS)
