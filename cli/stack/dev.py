"""`mgw dev`: the embedded stack, kept running."""

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote

import click

from .directory import lasting_directory, temporary_directory
from .outages import Outages
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
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep databases, queues and logs in this directory and continue from them; default: a temporary directory.",
)
@click.option("--keep-logs", is_flag=True, help="Keep the logs of a temporary stack.")
def command(data: Path | None, keep_logs: bool) -> None:
    """Run the whole stack on this machine to develop against.

    Starts a broker, Registry, Vault, Memory-Graph, a worker, beat and Flower on free loopback ports, each
    with its own keys. Prints each address and how to enqueue; Ctrl-C stops everything. The sweep runs on
    its default schedule: settings such as ARCHIVAL_INTERVAL_HOURS in your environment are ignored.

    To see what happens without a service, create an empty file named registry, vault or memory-graph in
    the directory `away` of the stack: the service is killed, and starts again when you delete the file.

    \b
    Example:
      mgw dev --data ./stack
    """
    with _opened(data, keep_logs) as (directory, children):
        stack = Stack(children, directory, {})
        click.echo("Starting …", err=True)
        stack.start_services()
        stack.start_worker()
        stack.start_flower()
        stack.start_beat()
        outages = Outages(stack)
        _tell(stack, stack.write_env_file(), outages)
        _stay(children, outages)


def _opened(data: Path | None, keep_logs: bool) -> AbstractContextManager[tuple[Path, Children]]:
    return lasting_directory(data) if data else temporary_directory(keep_logs=keep_logs)


def _tell(stack: Stack, env_file: Path, outages: Outages) -> None:
    rows = {
        "Registry": stack.environ["REGISTRY_URL"],
        "Vault": stack.environ["VAULT_URL"],
        "Memory-Graph": stack.environ["MEMORY_GRAPH_URL"],
        "Broker": f"redis://{LOOPBACK}:{stack.port('broker')}/0 (the password is in the environment file)",
        "Flower": f"http://{LOOPBACK}:{stack.port('flower')} (user mgw, password {stack.keys.flower})",
        "Logs": str(stack.children.logs),
        "Environment": f". {quote(str(env_file))}",
        "Outage": f"touch {quote(str(outages.directory / 'registry'))}, and rm to end it",
    }
    click.echo("\n".join(f"{name + ':':<14}{value}" for name, value in rows.items()))
    enqueue = f". {quote(str(env_file))} && {quote(sys.executable)} -c {quote(_PRODUCER)}"
    click.echo(f"\nEnqueue from another terminal:\n  {enqueue}\n")
    click.echo("Ready. Ctrl-C stops everything.")
    sys.stdout.flush()


def _stay(children: Children, outages: Outages) -> None:
    while True:
        outages.follow()
        children.check()
        time.sleep(_LOOK_EVERY_SECS)
