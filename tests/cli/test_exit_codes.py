"""Exit codes: the reference names every command, and each does as it says."""

import os
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from memory_graph_workers.cli.exit_codes import FAILS_IF
from memory_graph_workers.cli.main import mgw
from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.services.vault.keys import new_key
from support import forked

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
# Each of these needs something that does not answer.
FAILING = {
    "status": [],
    "sweep": ["--now"],
    "sweeps list": [],
    "sweeps show": ["one"],
    "sweeps pause": [],
    "sweeps resume": [],
    "queues": [],
    "queues try": ["registry"],
    "queues hold": ["memory_graph.vault", "--reason", "it moves"],
    "queues release": ["memory_graph.vault"],
    "queues auto": ["memory_graph.vault"],
    "queues move": ["--from", "", "--yes"],
    "dead list": [],
    "dead show": ["one"],
    "dead replay": ["one"],
    "dead purge": ["one", "--yes"],
    "report": ["--month", "2026-01"],
    "doctor": [],
    "migrate": ["vault"],
    "vault keys": [],
    "vault rotate": [],
    "vault expire": ["--yes"],
    "vault deletions": [],
    "outbox": ["--once"],
    "schema": ["registry.nothing"],
    "health": ["registry", "--port", str(free_port())],
}
# These fail in other ways only: they run until they are stopped, need nothing, or are tested where a stack runs.
OTHERS = {"demo", "dev", "flower", "metrics", "serve", "completion", "vault new-key"}


def runnable(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = f"{path}{name}"
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield words, command
        if isinstance(command, click.Group):
            yield from runnable(command, f"{words} ")


def test_the_reference_names_every_command() -> None:
    assert {words for words, _ in runnable(mgw)} == set(FAILS_IF), "add it to cli/exit_codes.py, then: make tables"


def test_every_command_fails_here_or_is_named_as_one_that_cannot() -> None:
    assert {*FAILING, *OTHERS} == set(FAILS_IF)


@pytest.mark.parametrize("words", FAILS_IF)
def test_an_option_that_there_is_not_is_wrong_usage(words: str) -> None:
    assert CliRunner().invoke(mgw, [*words.split(), "--no-such-option"]).exit_code == 2


@pytest.mark.parametrize("words", FAILING)
def test_what_does_not_answer_is_a_failure_and_no_traceback(words: str) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "VAULT_API_KEY": "key",
        "VAULT_KEYS": "key",
        "VAULT_ENCRYPTION_KEYS": new_key(),
        "DATABASE_URL": NOWHERE,
        "OUTBOX_DATABASE_URL": NOWHERE,
    }
    told = forked.mgw(*words.split(), *FAILING[words], environ=environ)
    assert told.returncode == 1, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
