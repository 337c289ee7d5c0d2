"""The table of errors and the page of commands, out of docstrings and of what `mgw COMMAND --help` prints."""

import inspect
import re
from collections.abc import Iterator

import click
from memory_graph_workers import delivery, outbox, testing
from memory_graph_workers.cli.main import mgw
from memory_graph_workers.clients import errors as of_clients
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.tasks.bulk import BrokenOff
from memory_graph_workers.tasks.usage import BacklogFull

WIDTH = 80
SERVICE_ERRORS = [one for one in vars(of_clients).values() if inspect.isclass(one) and issubclass(one, Exception)]
# Package by package: what each exports, for whoever catches it.
ERRORS: dict[str, list[type[Exception]]] = {
    "clients.errors": SERVICE_ERRORS,
    "schemas.base": [ValidationError],
    "tasks.usage": [BacklogFull],
    "tasks.bulk": [BrokenOff],
    **{
        package.__name__.partition(".")[2]: [
            one
            for one in (getattr(package, name) for name in package.__all__)
            if inspect.isclass(one) and issubclass(one, Exception)
        ]
        for package in (delivery, outbox, testing)
    },
}


def errors() -> Iterator[list[str]]:
    """Every error that callers may catch: its name, where it is, what it means and what to do."""
    advice = advice_of_the_tree()
    for module, found in ERRORS.items():
        for error in found:
            meaning, _, more = (inspect.getdoc(error) or "").partition("\n\n")
            known = (advice[one.__name__] for one in error.__mro__ if one.__name__ in advice)
            to_do = (
                next(known, "As the kind says that it is.") if error in SERVICE_ERRORS else more.partition("\n\n")[0]
            )
            if not to_do:
                raise LookupError(f"{module}.{error.__name__}: let its docstring's second paragraph say what to do")
            yield [f"`{error.__name__}`", f"`{module}`", one_line(meaning), one_line(to_do)]


def advice_of_the_tree() -> dict[str, str]:
    """What the tree in clients/errors.py tells the caller of each error to do, where it does."""
    found = re.findall(
        r"── (\w+) +([A-Z][A-Z, ]+): (.*?)(?: \(also .*)?$", inspect.getdoc(of_clients) or "", re.MULTILINE
    )
    return {name: f"{short.capitalize()}: {why}." for name, short, why in found}


def one_line(text: str) -> str:
    """A paragraph as a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def commands() -> str:
    """A heading and the help of every command, in the order of `mgw --help`."""
    return "\n\n".join(
        f"## {name}\n\n```text\n{text}\n```"
        for name, text in helped(mgw, click.Context(mgw, info_name="mgw", **mgw.context_settings))
    )


def helped(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """A command with its help, and those below it."""
    context.terminal_width = WIDTH
    yield context.command_path, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from helped(inner, click.Context(inner, parent=context, info_name=name))
