"""The tutorial as its reader does it: one stack, one shell, every step in its order, and what each prints."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.canaries.places import page
from support.embedded import finished
from support.waiting import LONGEST_SECS, until

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r'^```(sh|python|text)(?: title="(\S+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)
(_, _, START), (_, _, READY), *STEPS = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text())
# What only looks: its reader looks again until the stack has got there.
LOOKS = re.compile(r"mgw (queues|dead list|dead show) ?|python \S*tokens\.py ")
END = "-- end of a step --"
PIPES: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


class Terminal:
    """A shell that stays, so that a step finds what the steps before it left."""

    def __init__(self, folder: Path) -> None:
        environ = {**os.environ, "COLUMNS": "120"}
        self._bash = subprocess.Popen(["bash"], cwd=folder, env=environ, text=True, **PIPES)

    def types(self, lines: str) -> str:
        """Type some lines; returns what they print."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{\n{lines}\n}} </dev/null\necho '{END}'\n")
        self._bash.stdin.flush()
        return "".join(iter(self._bash.stdout.readline, f"{END}\n"))

    def does(self, lines: str, said: str) -> str:
        """Do a step, which prints what the page says; returns what it printed."""
        printed = [self.types(lines)]

        def is_as_said() -> bool:
            if not matches(printed[-1], said) and LOOKS.match(lines):
                printed.append(self.types(lines))
            return matches(printed[-1], said)

        assert is_as_said() or LOOKS.match(lines), f"{lines}printed\n{printed[-1]}"
        until(is_as_said, lambda: f"{lines}printed at last\n{printed[-1]}")
        return printed[-1]

    def close(self) -> None:
        """Leave the shell."""
        self._bash.communicate("exit\n", LONGEST_SECS)


def matches(printed: str, said: str) -> bool:
    """Whether something was printed as the page shows it: `…` stands for anything, and lines of tables for nothing."""
    found, wanted = (re.sub(r"[\s━┏┳┓┃┡╇┩─│└┴┘]+", " ", text).strip() for text in (printed, said))
    return re.fullmatch(re.escape(wanted).replace("…", ".*"), found) is not None


@contextmanager
def started(clone: Path) -> Iterator[str]:
    """The stack, as `make dev` starts it; yields what it prints until it is ready."""
    target = re.search(r"^make (dev ARGS=.*)$", START, re.MULTILINE)
    assert target, "the page starts the stack by make dev ARGS=…"
    made = finished(["bash", "-c", f"make -n -C {ROOT} {target[1]}"], os.environ, 0).stdout
    words = re.findall(r"^\.venv/bin/mgw (.*)$", made, re.MULTILINE)[-1].split()
    mgw = [sys.executable, "-m", "memory_graph_workers.cli", *words]
    with subprocess.Popen(mgw, stdout=subprocess.PIPE, text=True, cwd=clone) as running:
        try:
            assert running.stdout is not None
            told = [running.stdout.readline()]
            while told[-1] and told[-1] != READY.splitlines(keepends=True)[-1]:
                told.append(running.stdout.readline())
            yield "".join(told)
        finally:
            running.terminate()
            assert running.wait(LONGEST_SECS) == 143


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Terminal]]:
    folder = tmp_path_factory.mktemp("reader")
    clone = folder / "memory-graph-workers"
    clone.mkdir()
    (clone / ".venv").symlink_to(Path(sys.executable).parent.parent)
    with started(clone) as told:
        for _, name, text in STEPS:
            if name:
                (clone / name).write_text(text)
        terminal = Terminal(folder)
        yield told, terminal
        terminal.close()


def test_every_step_prints_what_the_page_says(reader: tuple[str, Terminal]) -> None:
    told, terminal = reader
    assert matches(told, READY), told
    letter = "LETTER_ID"
    for (kind, _, text), (following, _, said) in zip(STEPS, [*STEPS[1:], ("", "", "")], strict=True):
        if kind == "sh":
            printed = terminal.does(text.replace("LETTER_ID", letter), said if following == "text" else "")
            letter = (
                (re.findall(r"│ (\w+) +│$", printed, re.MULTILINE) or [letter])[-1] if "dead list" in text else letter
            )
    assert letter != "LETTER_ID"


def test_flower_is_where_it_was_said_and_shows_the_tasks_of_the_page(reader: tuple[str, Terminal]) -> None:
    found = re.search(r"Flower: +http://127.0.0.1:(\d+) \(user mgw, password (\S+)\)", reader[0])
    assert found
    for path, shown in {
        "/api/tasks?taskname=memory_graph.registry.track_usage": "SUCCESS",
        "/queues": "memory_graph.registry",
    }.items():
        assert shown in page(int(found[1]), path, found[2])[1]
