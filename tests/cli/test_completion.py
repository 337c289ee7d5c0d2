"""`mgw completion`: a shell completes commands and options, and imports nothing for it that takes long."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from memory_graph_workers.cli.completion import words
from memory_graph_workers.cli.main import COMMANDS, mgw
from support import forked

HEAVY = {"celery", "kombu", "redis", "grpc", "flask", "sqlalchemy", "rich", "requests"}
BIN = Path(sys.executable).parent
ASK = """
source <(mgw completion bash)
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_mgw_completion mgw
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*typed: str) -> set[str]:
    """What bash offers for the last word."""
    script = ASK.format(words=" ".join(f"'{word}'" for word in typed))
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["que"], {"queues"}),
        (["sw"], {"sweep", "sweeps"}),
        (["dead", "re"], {"replay"}),
        (["dead", "list", "--newer"], {"--newer-than"}),
        (["dead", "list", "--reason", "un"], {"uncertain", "unknown_task", "undecodable"}),
        (["report", "--format", ""], {"markdown", "csv"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["status", "--watch", "--js"], {"--json"}),
        (["nonsense", "x"], set()),
        (["zzz"], set()),
    ],
)
def test_bash_completes_commands_options_and_values(typed: list[str], offered: set[str]) -> None:
    assert completed("mgw", *typed) == offered


def test_bash_offers_every_command() -> None:
    assert completed("mgw", "") == set(COMMANDS)


@pytest.mark.parametrize("typed", ["mgw ", "mgw queues ", "mgw dead list --", "mgw schema --"])
def test_to_complete_imports_no_command(typed: str) -> None:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
    code += "from memory_graph_workers.cli.main import main; main()"
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_MGW_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True)
    assert "plain," in done.stdout
    assert not HEAVY & {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_mgw(shell: str) -> None:
    told = forked.mgw("completion", shell, environ=os.environ)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"_MGW_COMPLETE={shell}_complete" in told.stdout


def test_a_shell_that_is_not_known_is_wrong_usage() -> None:
    told = forked.mgw("completion", "tcsh", environ=os.environ)
    assert (told.returncode, told.stdout) == (2, "")


def test_the_help_says_how_to_install_it() -> None:
    told = forked.mgw("completion", "--help", environ=os.environ).stdout
    assert 'eval "$(mgw completion bash)"' in told


def test_the_words_are_those_of_the_commands() -> None:
    kept = Path(words.__file__).with_name(words.FILE).read_text()
    assert kept == words.written(words.words_of(mgw)), "run: make tables"
