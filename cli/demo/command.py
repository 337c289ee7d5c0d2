"""`mgw demo`: run the whole system on a file of conversations, break it, and check every word of the archives."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..stack.directory import temporary_directory
from ..stack.stack import Stack, forget_other_services
from ..terminal.failure import Failure
from ..terminal.output import show_json, show_table
from .conversations import read_conversations, shipped
from .story import Story

if TYPE_CHECKING:
    from .verification import Figures


@click.command(name="demo")
@click.option(
    "--conversations",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of conversations, one JSON object per line; default: the 400 real ones in the package.",
)
@click.option("--calm", is_flag=True, help="Break nothing: no worker is killed, and the Vault stays.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object on standard output.")
@click.option("--keep-logs", is_flag=True, help="Keep the logs of all programs; after a failure they are always kept.")
def command(source: Path | None, calm: bool, as_json: bool, keep_logs: bool) -> None:
    """Watch the whole system archive real conversations, and check every word.

    Starts a broker, the three services, two workers, beat and Flower on free loopback ports. A separate
    producer loads the conversations as aged, fresh and active sessions, and beat sends the sweep. In the
    middle of it a worker is killed with SIGKILL, and the Vault goes away for seconds. Then every archive is
    read back and compared with the graph and the file. Exits with 0 only if every due session is archived
    exactly once, word for word, and no other session is. Leaves nothing behind.

    \b
    Example:
      mgw demo
      mgw demo --calm
      mgw demo --conversations mine.jsonl --json
    """
    began = time.monotonic()
    path = (source or shipped()).resolve()
    conversations = read_conversations(path)
    forget_other_services()
    from .run import Demo, settings  # it reads settings when it is imported

    with temporary_directory(keep_logs=keep_logs) as (directory, children):
        story = Story(_say_beside_json if as_json else click.echo, children.check, began)
        demo = Demo(Stack(children, directory, settings(conversations)), story, path, conversations)
        figures = demo.run(calm=calm)
        figures.duration_ms = round(story.secs * 1000)
        show_json(figures.as_json()) if as_json else _show(figures, demo.flower)
        if not figures.ok:
            raise Failure(
                "The archives are not what they should be; the figures above say what is wrong. "
                "Run it again with --keep-logs and look at the logs of the workers."
            )


def _say_beside_json(line: str) -> None:
    """Show a person what goes on; a program gets the figures alone."""
    if sys.stderr.isatty():
        click.echo(line, err=True)


def _show(figures: "Figures", flower: str) -> None:
    """Print the result in a few lines, all figures if it is not good, and what to try next."""
    if not figures.ok:
        show_table(["figure", "count"], [(name.replace("_", " "), value) for name, value in figures.as_json().items()])
    click.echo(f"\n{figures.archived} archived, {figures.lost} lost, {figures.duplicated} duplicated\n")
    click.echo(
        f"Flower showed this run at {flower} and ended with it.\n"
        "What to try next:\n"
        "  make dev                            keep the same stack running; it prints the address of each part\n"
        "  mgw demo --calm                     the same without the faults\n"
        "  mgw demo --conversations FILE       with conversations of your own\n"
        "  docs/faults.md                      what else was broken, and what was counted"
    )
