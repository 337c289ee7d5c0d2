"""`mgw schema`: the contract of all tasks, for producers in any language."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from ...tasks.app import PREFIX
from ...tasks.operation import CheckedTask
from ..terminal.failure import Failure
from .asyncapi import document
from .task import answer_schema, every_task, parameters_schema

_PREFIX = f"{PREFIX}."


@click.command()
@click.argument("task", required=False)
@click.option("--result", is_flag=True, help="Print the schema of TASK's result instead of its parameters.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write all files into this folder.")
def command(task: str | None, result: bool, out: Path | None) -> None:
    """Print the AsyncAPI document of all queues and messages, or the JSON Schema of one TASK.

    --out writes the document as tasks.asyncapi.json, and for each task tasks/NAME.schema.json (its parameters)
    and tasks/NAME.result.schema.json (its result, if it has one).

    \b
    Example:
      mgw schema
      mgw schema registry.track_usage
      mgw schema registry.get_session --result
    """
    if result and task is None:
        raise click.UsageError("--result needs the name of a TASK.")
    if out:
        if task:
            raise click.UsageError("--out writes all tasks, so it takes no TASK.")
        click.echo(f"Wrote {_write(out)} files below {out}")
    elif task is None:
        click.echo(_text(document()), nl=False)
    else:
        click.echo(_text(_schema_of(_named(task), result)), nl=False)


def files() -> dict[str, str]:
    """The text of every file of the contract, by path."""
    made = {"tasks.asyncapi.json": _text(document())}
    for name, task in every_task().items():
        made[f"tasks/{name}.schema.json"] = _text(parameters_schema(task))
        answer = answer_schema(task)
        if answer is not None:
            made[f"tasks/{name}.result.schema.json"] = _text(answer)
    return made


def _write(folder: Path) -> int:
    found = files()
    try:
        for name, text in found.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"Cannot write to {folder}: {error.strerror}.") from error
    return len(found)


def _named(name: str) -> CheckedTask[Any]:
    tasks = every_task()
    full = name if name.startswith(_PREFIX) else _PREFIX + name
    if full not in tasks:
        near = get_close_matches(full, tasks, n=3, cutoff=0.0)
        raise Failure(f"There is no task {name}. Did you mean {', '.join(near)}?")
    return tasks[full]


def _schema_of(task: CheckedTask[Any], result: bool) -> dict[str, Any]:
    schema = answer_schema(task) if result else parameters_schema(task)
    if schema is None:
        raise Failure(f"{task.name} has no result.")
    return schema


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"  # in ASCII: some patterns name characters that do not print
