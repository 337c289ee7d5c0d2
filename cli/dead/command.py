"""`mgw dead`: the messages that failed for good, and those that were quarantined."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import track

from ...delivery import DeadLetter, DeadLetters, LetterGroup
from ...delivery.dead_letters.groups import title_of
from ...delivery.dead_letters.store import Entry
from ...schemas.fields import parse_timestamp
from ..answering import answering_target
from ..target import Target, app_option
from ..terminal.failure import Failure
from ..terminal.group import Group
from ..terminal.output import ask, show_json, show_table
from ..terminal.plain import plain
from ..terminal.wording import ago, counted
from .ids import shortened, whole_id
from .letters import LEAVES_IT, all_facts, facts, how_it_runs, purged, read_entry
from .replaying import Replay, replay_of
from .selection import Selection, selecting

_WHAT = "task, reason, error"  # one column: on a terminal of 80 columns three have no room
_GROUP_COLUMNS = ["letters", "first", "last", _WHAT, "sample"]
_COLUMNS = ["failed", "id", _WHAT, "message"]
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_yes = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.group(cls=Group)
@app_option
@click.pass_context
def command(context: click.Context, app_name: str | None) -> None:
    """List dead letters (what failed for good), show them, replay them, or purge them.

    \b
    Example:
      mgw dead list
      mgw dead show LETTER_ID
      mgw dead replay --reason attempts_exhausted
      mgw dead purge --older-than 30d
      mgw dead --app shop:app list
    """
    context.obj = app_name  # the app is imported when a command needs it, not for --help


@command.command("list")
@selecting
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many groups or letters.")
@_as_json
@click.pass_obj
def list_(app_name: str | None, selection: Selection, limit: int, as_json: bool) -> None:
    """List dead letters in groups: those with the same task, reason and error. Payloads are not shown.

    With --all, or an id, it lists single letters, newest first. The table shows as much of each id as `show`, `replay`
    and `purge` need. --json has whole ids and times.

    \b
    Example:
      mgw dead list
      mgw dead list --all --task 'memory_graph.registry.*' --newer-than 12h
    """
    target = answering_target(app_name)
    letters = target.delivery.dead_letters
    warning = letters.warning()
    if selection.everything or selection.ids:
        listed = _list_letters(target, selection, limit, as_json)
    else:
        listed = _list_groups(target, selection, limit, as_json)
    if as_json:
        show_json({"count": letters.count(), "warning": warning, **listed})
    elif warning:
        click.echo(f"{warning} To make room: {target.mgw('dead replay')}, {target.mgw('dead purge')}", err=True)


@command.command()
@click.argument("letter_id")
@click.option("--payload", is_flag=True, help="Show the payload, too; it may be private, for example a conversation.")
@_as_json
@click.pass_obj
def show(app_name: str | None, letter_id: str, payload: bool, as_json: bool) -> None:
    """Show one dead letter. A unique beginning of its id is enough.

    \b
    Example:
      mgw dead show LETTER_ID --payload
    """
    target = answering_target(app_name)
    letter = _letter(target, letter_id)
    values = {**(all_facts(letter) if payload else facts(letter)), **how_it_runs(target, letter)}
    if as_json:
        show_json(values)
    else:
        show_table(["field", "value"], [(name, value) for name, value in values.items() if value is not None])


@command.command()
@selecting
@click.option("--corrected", type=click.File(), help="Replay with these parameters: a JSON object; - reads stdin.")
@click.option("--even-if-done", is_flag=True, help="Also replay usage that may have been counted; it may count twice.")
@click.option("--even-if-expired", is_flag=True, help="Also replay what its sender wanted to run earlier only.")
@click.option("--alone", is_flag=True, help="Also replay a part of a chord whose body will not run any more.")
@_yes
@_as_json
@click.pass_obj
def replay(
    app_name: str | None,
    selection: Selection,
    corrected: TextIO | None,
    even_if_done: bool,
    even_if_expired: bool,
    alone: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead letters' tasks again, each under its own id: a service that honours idempotency keys sees one effect.

    With --corrected, one task is sent with other parameters and a new id. The parameters are checked first, and the
    replay is refused if the first attempt may have taken effect.

    \b
    Example:
      mgw dead replay LETTER_ID
      mgw dead replay --task 'memory_graph.vault.*' --newer-than 1d --yes
      mgw dead replay LETTER_ID --corrected parameters.json
    """
    if even_if_done and app_name:
        raise click.UsageError("--even-if-done is only for this package's own usage reports. Leave it out.")
    target = answering_target(app_name)
    kwargs = _parameters(corrected) if corrected else None
    found = _chosen(target, selection, one=corrected is not None)
    if not selection.ids:
        ask(f"Replay {counted(len(found), 'dead letter')}?", yes)
    how = replay_of(target, even_if_done=even_if_done, even_if_expired=even_if_expired, alone=alone)
    sending = _sending(how, kwargs)
    _each(found, lambda entry: sending(read_entry(target.delivery.dead_letters, entry)), as_json)


@command.command()
@selecting
@_yes
@_as_json
@click.pass_obj
def purge(app_name: str | None, selection: Selection, yes: bool, as_json: bool) -> None:
    """Delete dead letters for good, with their payloads.

    \b
    Example:
      mgw dead purge LETTER_ID
      mgw dead purge --reason broken_envelope --older-than 30d
    """
    target = answering_target(app_name)
    found = _chosen(target, selection)
    ask(f"Purge {counted(len(found), 'dead letter')} for good?", yes)
    _each(found, lambda one: purged(target.delivery.dead_letters, one), as_json)
    if selection.is_all:
        target.delivery.dead_letters.forget_gave_way()


def _list_letters(target: Target, selection: Selection, limit: int, as_json: bool) -> dict[str, Any]:
    letters = target.delivery.dead_letters
    found = list(letters.read(selection.entries(letters, limit)))
    if as_json:
        return {"letters": [facts(letter) for letter in found]}
    if not found:
        click.echo(_none(letters))
        return {}
    show_table(_COLUMNS, _rows(letters, found), whole={"failed", "id"})
    click.echo(f"{counted(letters.count(), 'dead letter')}. To show one: {target.mgw('dead show ID')}")
    return {}


def _list_groups(target: Target, selection: Selection, limit: int, as_json: bool) -> dict[str, Any]:
    letters = target.delivery.dead_letters
    groups = selection.groups(letters)
    there = [group for group in groups if group.count][:limit]
    if as_json:
        return {"groups": [asdict(group) for group in groups]}
    if there:
        show_table(_GROUP_COLUMNS, _group_rows(letters, there), whole={"letters", "first", "last", "sample"})
    for group in groups:
        if group.gave_way and group.gave_way_at:
            when = ago(group.gave_way_at)
            lost = counted(group.gave_way, "dead letter")
            click.echo(
                f"Dropped because a bound was reached: {lost} of {plain(group.title)}, the last {when}.", err=True
            )
    single = f"{counted(letters.count(), 'dead letter')}. To list single letters: {target.mgw('dead list --all')}"
    click.echo(single if there else _none(letters))
    return {}


def _none(letters: DeadLetters) -> str:
    count = letters.count()
    return f"None of {counted(count, 'dead letter')} is listed." if count else "No dead letters."


def _group_rows(letters: DeadLetters, groups: list[LetterGroup]) -> list[list[Any]]:
    short = shortened((group.sample or "" for group in groups), letters.ids())
    return [
        [f"{group.count:,}", _age(group.first), _age(group.last), group.title, sample]
        for group, sample in zip(groups, short, strict=True)
    ]


def _age(moment: datetime | None) -> str:
    return ago(moment).removesuffix(" ago") if moment else ""


def _rows(letters: DeadLetters, found: list[DeadLetter]) -> list[list[Any]]:
    short = shortened((letter.id for letter in found), letters.ids())
    return [
        [
            ago(parse_timestamp(letter.failed_at)),
            name,
            title_of(letter.task, letter.reason, letter.error),
            letter.message,
        ]
        for letter, name in zip(found, short, strict=True)
    ]


def _letter(target: Target, given: str) -> DeadLetter:
    letters, how_to_list = target.delivery.dead_letters, target.mgw("dead list")
    letter = letters.get(whole_id(letters, given, how_to_list))
    if letter is None:  # it went meanwhile
        raise Failure(f"There is no dead letter {plain(given)}. To list them: {how_to_list}")
    return letter


def _chosen(target: Target, selection: Selection, *, one: bool = False) -> list[Entry]:
    letters = target.delivery.dead_letters
    if one and len(selection.ids) != 1:
        raise click.UsageError("--corrected needs the id of exactly one letter.")
    if selection.ids and selection.everything:
        raise click.UsageError("Letters are named, and --all means every letter: give the ids, or --all.")
    if selection.ids:
        ids = {whole_id(letters, given, target.mgw("dead list")) for given in selection.ids}
        return [entry for entry in letters.entries() if entry.id in ids]
    if not selection.is_given:
        raise click.UsageError(
            "Choose letters: by id, with --task, --reason, --error, --older-than or --newer-than, or --all."
        )
    return selection.entries(letters)


def _sending(replay: Replay, kwargs: dict[str, Any] | None) -> Callable[[DeadLetter], str]:
    return replay.as_it_was if kwargs is None else lambda letter: replay.corrected(letter, kwargs)


def _parameters(file: TextIO) -> dict[str, Any]:
    try:
        value = json.load(file)
    except ValueError as error:
        raise click.UsageError("--corrected is not JSON.") from error
    if not isinstance(value, dict):
        raise click.UsageError('--corrected must be a JSON object, like {"session_id": "s-1"}.')
    return value


def _each(found: Iterable[Entry], work: Callable[[Entry], str], as_json: bool) -> None:
    """Do the work for each letter; exit with 1 if it failed for any of them."""
    console, letters = Console(stderr=True), list(found)
    done: list[dict[str, str]] = []
    left: dict[str, str] = {}
    for letter in track(letters, "Working …", console=console, disable=not console.is_terminal, transient=True):
        try:
            done.append({"letter_id": letter.id, "task_id": work(letter)})
        except LEAVES_IT as error:
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
        show_table(["letter", "why it is left"], left.items(), whole={"letter"})
