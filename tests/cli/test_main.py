"""The command line: help, exit codes, and messages instead of tracebacks."""

import os
import subprocess
import sys
import time

import click
import pytest
from memory_graph_workers.cli.main import COMMANDS
from memory_graph_workers.cli.main import mgw as root
from memory_graph_workers.cli.stack.ports import free_port
from support import forked

LISTS = (["dead", "list"], ["dead", "list", "--all"], ["sweeps", "list"], ["vault", "deletions"])
HEAVY = ("celery", "grpc", "flask", "sqlalchemy", "rich")


def mgw(*arguments, **environ):
    return forked.mgw(*arguments, environ=environ or os.environ)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_with_an_example(name):
    told = mgw(name, "--help")
    assert told.returncode == 0
    assert f"mgw {name}" in told.stdout.partition("Example")[2]


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = "import sys; from memory_graph_workers.cli.main import mgw; mgw(['--help'], standalone_mode=False);"
    told = subprocess.run(
        [sys.executable, "-c", f"{code} print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"  {name} " in told for name in COMMANDS)
    assert not set(HEAVY) & set(told.splitlines()[-1].split())


def test_the_version_is_the_distributions():
    assert mgw("--version").stdout.startswith("mgw, version ")


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["serve"], ["serve", "elsewhere"], ["demo", "--conversations", "/no/such/file"]]
)
def test_wrong_usage_ends_with_two_and_a_hint(arguments):
    told = mgw(*arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert "Usage: mgw" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["sweep", "--now", "--dry-run"], "Pass --now to start a sweep, or --dry-run to list what is due."),
        (["sweep", "--dry-run", "--now", "--json"], "both at once cannot be done"),
        (["dead", "purge", "some-id", "--all", "--yes"], "give the ids, or --all"),
        (["dead", "replay", "--all", "some-id"], "give the ids, or --all"),
        *(([*words, "--limit", most], "--limit") for words in LISTS for most in ("-1", "0", "-50", "many")),
    ],
)
def test_what_contradicts_itself_or_lists_nothing_is_refused_before_anything_is_asked(arguments, hint):
    told = mgw(*arguments, PATH="/usr/bin:/bin", REDIS_URL="redis://127.0.0.1:1/0", VAULT_API_KEY="key")
    assert (told.returncode, told.stdout) == (2, "")
    assert hint in told.stderr
    assert "Traceback" not in told.stderr


def test_every_whole_number_that_a_command_takes_has_a_least_value():
    def options(command):
        yield from ((command.name, one) for one in command.params)
        for name in getattr(command, "commands", {}):
            yield from options(command.commands[name])

    loose = [
        (command, option.name)
        for name in COMMANDS
        for command, option in options(root.get_command(None, name))
        if isinstance(option.type, click.types.IntParamType)
        and (not isinstance(option.type, click.IntRange) or option.type.min is None)
    ]
    assert loose == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["qeues"], "There is no command qeues. Did you mean queues?"),
        (["sweps"], "Did you mean sweeps?"),
        (["dead", "lits"], "Did you mean list?"),
        (["sweeps", "resum"], "Did you mean resume?"),
        (["vault", "rotat"], "Did you mean rotate?"),
        (["queues", "tri"], "Did you mean try?"),
        (["queues", "relase"], "Did you mean release?"),
    ],
)
def test_a_misspelt_command_is_told_which_one_was_meant(arguments, hint):
    told = mgw(*arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert hint in told.stderr


def test_a_bad_file_is_refused_before_anything_starts(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n")
    told = mgw("demo", "--json", "--conversations", str(path))
    assert (told.returncode, told.stdout) == (2, "")
    assert "line 1: conversation_id: Missing" in told.stderr


def test_a_service_without_its_settings_says_which():
    told = mgw("serve", "vault", PATH="/usr/bin:/bin")
    assert told.returncode == 2
    assert "VAULT_KEYS" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    told = mgw("dev", "--data", str(tmp_path))
    assert told.returncode == 2
    assert "holds other files" in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_missing_extra_is_named_with_what_to_install(tmp_path):
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError(name='rich')")
    command = [sys.executable, "-m", "memory_graph_workers.cli", "demo"]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert told.stderr.startswith("Error: rich is not installed: pip install '.[all]' in a checkout, or pip install")
    assert "memory_graph_workers-VERSION-py3-none-any.whl[all]" in told.stderr


@pytest.mark.parametrize("arguments", [["sweep", "--now"], ["sweeps", "list"], ["dead", "list"]])
def test_a_missing_redis_is_told_within_seconds(arguments):
    away = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "VAULT_API_KEY": "key"}
    started = time.monotonic()
    told = mgw(*arguments, PATH="/usr/bin:/bin", **away)
    assert (told.returncode, told.stdout) == (1, "")
    assert (
        told.stderr
        == "Error: Redis does not answer (ConnectionError). Is it up, and is its address (REDIS_URL) right?\n"
    )
    assert time.monotonic() - started < 60
