"""`mgw dead`: the messages that failed for good, and those that were set aside."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import track

from ...delivery import DeadLetter, DeadLetters, installed
from ...schemas.base import ValidationError
from ..terminal.failure import Failure
from ..terminal.output import show_json, show_table
from .selection import Selection, selecting

_COLUMNS = ["failed_at", "id", "task", "reason", "error", "message"]
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def command() -> None:
    """Look at what failed for good, send it again, or remove it.

    \b
    Example:
      mgw dead list
      mgw dead show LETTER_ID
      mgw dead replay --reason attempts_exhausted
      mgw dead purge --older-than 30d
    """


@command.command("list")
@selecting
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
@_as_json
def list_(selection: Selection, limit: int, as_json: bool) -> None:
    """List dead letters, newest first, without their payloads.

    \b
    Example:
      mgw dead list --task 'memory_graph.registry.*' --newer-than 12h
    """
    letters = _letters()
    found = selection.first(letters, limit)
    warning = letters.warning()
    if as_json:
        show_json({"count": letters.count(), "warning": warning, "letters": [_facts(letter) for letter in found]})
        return
    show_table(_COLUMNS, [[getattr(letter, name) or "" for name in _COLUMNS] for letter in found])
    click.echo(f"{letters.count()} dead letters; look at one with: mgw dead show ID")
    if warning:
        click.echo(f"{warning} See: mgw dead replay --help, mgw dead purge --help", err=True)


@command.command()
@click.argument("letter_id")
@click.option("--payload", is_flag=True, help="Show the payload too; it may be a conversation.")
@_as_json
def show(letter_id: str, payload: bool, as_json: bool) -> None:
    """Show one dead letter.

    \b
    Example:
      mgw dead show LETTER_ID --payload
    """
    letter = _letter(letter_id)
    values = asdict(letter) if payload else _facts(letter)
    if as_json:
        show_json(values)
    else:
        show_table(["what", "value"], [(name, value) for name, value in values.items() if value not in (None, "")])


@command.command()
@selecting
@click.option("--corrected", type=click.File(), help="Send these parameters (one JSON object; - is stdin) instead.")
@click.option("--even-if-done", is_flag=True, help="Also usage that may be counted already: it may count twice.")
@_yes
@_as_json
def replay(selection: Selection, corrected: TextIO | None, even_if_done: bool, yes: bool, as_json: bool) -> None:
    """Send dead letters again, each under its own id: a service that honours idempotency keys sees one effect.

    With --corrected one letter is sent with other parameters and a new id, after they were checked; refused
    where the first attempt may have taken effect.

    \b
    Example:
      mgw dead replay LETTER_ID
      mgw dead replay --task 'memory_graph.vault.*' --newer-than 1d --yes
      mgw dead replay LETTER_ID --corrected parameters.json
    """
    from ...tasks.replay import replay, replay_corrected

    letters = _letters()
    if corrected is not None:
        kwargs = _parameters(corrected)
        _each(_chosen(letters, selection, one=True), lambda one: replay_corrected(letters, one, kwargs), as_json)
        return
    found = _chosen(letters, selection)
    if not selection.ids:
        _ask(f"Send {len(found)} dead letters again?", yes)
    _each(found, lambda one: replay(letters, one, even_if_done=even_if_done), as_json)


@command.command()
@selecting
@_yes
@_as_json
def purge(selection: Selection, yes: bool, as_json: bool) -> None:
    """Remove dead letters for good, with their payloads.

    \b
    Example:
      mgw dead purge LETTER_ID
      mgw dead purge --reason broken_envelope --older-than 30d
    """
    letters = _letters()
    found = _chosen(letters, selection)
    _ask(f"Remove {len(found)} dead letters for good?", yes)
    _each(found, lambda one: _removed(letters, one), as_json)


def _letters() -> DeadLetters:
    from ...tasks.app import app

    return installed(app).dead_letters


def _letter(letter_id: str) -> DeadLetter:
    letter = _letters().get(letter_id)
    if letter is None:
        raise Failure(f"There is no dead letter {letter_id}; see: mgw dead list")
    return letter


def _chosen(letters: DeadLetters, selection: Selection, *, one: bool = False) -> list[DeadLetter]:
    if one and len(selection.ids) != 1:
        raise click.UsageError("--corrected goes with the id of one letter.")
    if selection.ids:
        return [_letter(letter_id) for letter_id in selection.ids]
    if not selection.is_given:
        raise click.UsageError("Say which: ids, --task, --reason, --error, --older-than, --newer-than, or --all.")
    return list(selection.of(letters.all()))


def _removed(letters: DeadLetters, letter: DeadLetter) -> str:
    if not letters.remove(letter.id, failed_at=letter.failed_at):
        raise Failure("It is gone, or has failed again since it was read.")
    return letter.id


def _parameters(file: TextIO) -> dict[str, Any]:
    try:
        value = json.load(file)
    except ValueError as error:
        raise click.UsageError("--corrected: not JSON.") from error
    if not isinstance(value, dict):
        raise click.UsageError('--corrected: one JSON object, like {"session_id": "s-1"}.')
    return value


def _ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody can answer here: say --yes.")
    click.confirm(question, abort=True, err=True)


def _each(found: Iterable[DeadLetter], work: Callable[[DeadLetter], str], as_json: bool) -> None:
    """Do the work for each letter; exit code 1 where one was left."""
    from ...tasks.replay import NotReplayable

    console, letters = Console(stderr=True), list(found)
    done: list[dict[str, str]] = []
    left: dict[str, str] = {}
    for letter in track(letters, "Working …", console=console, disable=not console.is_terminal, transient=True):
        try:
            done.append({"letter_id": letter.id, "task_id": work(letter)})
        except (NotReplayable, ValidationError, TypeError, Failure) as error:
            left[letter.id] = str(error)
    _tell(done, left, as_json)
    if left:
        raise SystemExit(1)


def _tell(done: list[dict[str, str]], left: dict[str, str], as_json: bool) -> None:
    if as_json:
        show_json({"done": done, "left": left})
        return
    click.echo(f"{len(done)} done, {len(left)} left.")
    if left:
        show_table(["letter", "left because"], left.items())


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {name: value for name, value in asdict(letter).items() if name != "payload"}
