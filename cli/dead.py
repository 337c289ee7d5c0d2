"""`mgw dead`: the messages that failed for good, and those that were set aside."""

from dataclasses import asdict
from typing import Any

import click

from ..tasks import connections
from ..tasks.dead_letters import DeadLetter, DeadLetters
from .failure import Failure
from .output import show_json, show_table


@click.group()
def command() -> None:
    """Look at what failed for good: failed tasks, unknown ones, and what was no message at all.

    \b
    Example:
      mgw dead list
      mgw dead show LETTER_ID
    """


@command.command("list")
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(limit: int, as_json: bool) -> None:
    """List dead letters, newest first, without their payloads.

    \b
    Example:
      mgw dead list --limit 10
    """
    letters = _letters()
    found = letters.list(limit)
    if as_json:
        show_json({"count": letters.count(), "letters": [_facts(letter) for letter in found]})
        return
    columns = ["failed_at", "id", "task", "reason", "error", "message"]
    show_table(columns, [[getattr(letter, name) or "" for name in columns] for letter in found])
    click.echo(f"{letters.count()} dead letters; look at one with: mgw dead show ID")


@command.command()
@click.argument("letter_id")
@click.option("--payload", is_flag=True, help="Show the payload too; it may be a conversation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(letter_id: str, payload: bool, as_json: bool) -> None:
    """Show one dead letter.

    \b
    Example:
      mgw dead show 5f0c… --payload
    """
    letter = _letters().get(letter_id)
    if letter is None:
        raise Failure(f"There is no dead letter {letter_id}; see: mgw dead list")
    values = asdict(letter) if payload else _facts(letter)
    if as_json:
        show_json(values)
    else:
        show_table(["what", "value"], [(name, value) for name, value in values.items() if value not in (None, "")])


def _letters() -> DeadLetters:
    return DeadLetters(connections.redis())


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {name: value for name, value in asdict(letter).items() if name != "payload"}
