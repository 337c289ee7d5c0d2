"""The words of every command, in a file: a shell that asks for them does not wait for the commands to be imported.

`python docs/tables.py` writes the file from the commands, and a test compares both.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import click

FILE = "words.json"

Words = dict[str, Any]


def words_of(command: click.Command) -> Words:
    """What completing a command needs to know of it and of its subcommands."""
    found: Words = {
        "help": command.get_short_help_str(limit=100),
        "params": [_words_of_param(one) for one in command.params],
    }
    if isinstance(command, click.Group):
        context = click.Context(command)
        inner = {name: command.get_command(context, name) for name in command.list_commands(context)}
        found["commands"] = {name: words_of(one) for name, one in inner.items() if one is not None}
    return found


def written(words: Words) -> str:
    """The text of the file."""
    return json.dumps(words, indent=1, ensure_ascii=False) + "\n"


def command_of(name: str) -> click.Command:
    """A command with the words of one of `mgw`'s commands, and nothing behind them."""
    return _made(name, _kept()["commands"][name])


@cache
def _kept() -> Words:
    return json.loads(files(__package__ or "").joinpath(FILE).read_text(encoding="utf-8"))


def _made(name: str, words: Words) -> click.Command:
    params = [_param_of(one) for one in words["params"]]
    if "commands" not in words:
        return click.Command(name, params=params, help=words["help"])
    inner = {each: _made(each, of_it) for each, of_it in words["commands"].items()}
    return click.Group(name, inner, params=params, help=words["help"])


def _words_of_param(param: click.Parameter) -> Words:
    same = {"name": param.name, "nargs": param.nargs, "takes": _taken(param.type)}
    if not isinstance(param, click.Option):
        return same
    pairs = [f"{on}/{off}" for on, off in zip(param.opts, param.secondary_opts, strict=False)]
    return {**same, "options": pairs or param.opts, "is_flag": param.is_flag, "help": param.help}


def _taken(kind: Any) -> str | list[str] | None:
    """What a shell may offer as a value: files, folders, these words, or nothing."""
    if isinstance(kind, click.Choice):
        return list(map(str, kind.choices))
    if isinstance(kind, click.Path):
        return "file" if kind.file_okay else "dir"
    return "file" if isinstance(kind, click.File) else None


def _param_of(words: Words) -> click.Parameter:
    kind = _kind_of(words["takes"])
    if "options" not in words:
        return click.Argument([words["name"]], type=kind, nargs=words["nargs"], required=False)
    names = [words["name"], *words["options"]]
    if words["is_flag"]:
        return click.Option(names, is_flag=True, help=words["help"])
    return click.Option(names, type=kind, nargs=words["nargs"], help=words["help"])


def _kind_of(taken: Any) -> Any:
    if isinstance(taken, list):
        return click.Choice(taken)
    return click.Path(file_okay=taken == "file") if taken else click.STRING
