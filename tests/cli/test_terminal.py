"""What commands show: plain text whatever the ids hold, ids that stay whole, counts and ages in words."""

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.cli.terminal.failure import Failure
from memory_graph_workers.cli.terminal.output import show_json
from memory_graph_workers.cli.terminal.plain import plain, plain_lines
from memory_graph_workers.cli.terminal.wording import ago, counted

ODD = {
    "order[/7]": "order[/7]",
    "user[alice]": "user[alice]",
    "[bold red]x": "[bold red]x",
    ":smile:": ":smile:",
    "a\\[b]": "a\\[b]",
    "grün, 日本": "grün, 日本",
    "\x1b[31mred": "\\x1b[31mred",
    "c1\x9b2J": "c1\\x9b2J",
    "evil\u202egnp.exe": "evil\\u202egnp.exe",
    "isolate\u2066x\u2069": "isolate\\u2066x\\u2069",
    "zero\u200bwidth": "zero\\u200bwidth",
    "two\nlines\tx": "two\\nlines\\tx",
    "half\ud800": "half\\ud800",
}


def on_a_terminal(code: str, columns: int) -> str:
    """What a program prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONUTF8": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # so a terminal on Linux says that the program has ended
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[\d;]*m", "", text.decode()).replace("\r\n", "\n")


def table(columns: list[str], rows: list[list[str]], whole: set[str], width: int) -> str:
    code = "from memory_graph_workers.cli.terminal.output import show_table;"
    return on_a_terminal(f"{code} show_table({columns!r}, {rows!r}, whole={whole!r})", width)


@pytest.mark.parametrize(("text", "shown"), ODD.items())
def test_text_from_elsewhere_is_shown_as_it_is_with_controls_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_table_takes_nothing_in_its_cells_for_markup() -> None:
    shown = table(["id", "task"], [[text, text] for text in ODD], {"id"}, 100)
    assert all(shown.count(f" {text} ") == 2 for text in ODD.values())


@pytest.mark.parametrize("width", [40, 70, 80, 100])
@pytest.mark.parametrize("name", ["0192a7c4-5e3f-7b1a-8f2d-6c9e0a1b2c3d", "order[/7]", "日本" * 10, "x" * 90])
def test_whole_columns_are_never_folded(width: int, name: str) -> None:
    words = "memory_graph.registry.track_usage was refused by the service, as its log says"
    shown = table(["id", "task", "reason", "message"], [[name, words, "attempts_exhausted", words]], {"id"}, width)
    assert name in shown
    lines = shown.splitlines()
    assert len(lines) > 5, "the other columns fold"
    if len(name) < 40 and width > 76:
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("text", ODD)
def test_json_means_the_same_and_carries_no_control_character(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_json({text: [text]})
    printed = capsys.readouterr().out.removesuffix("\n")
    assert printed.isprintable()
    assert json.loads(printed) == {text: [text]}


def test_a_failure_keeps_its_lines_and_escapes_the_rest() -> None:
    assert Failure("one\x9b\ntwo").format_message() == plain_lines("one\x9b\ntwo") == "one\\x9b\ntwo"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 warnings"), (1, "1 warning"), (2, "2 warnings"), (1200, "1,200 warnings")]
)
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert counted(count, "warning") == text


@pytest.mark.parametrize(
    ("age", "text"),
    [(-5, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (3 * 3600 + 5, "3 h ago"), (86_400 * 40, "40 d ago")],
)
def test_an_age_is_told_in_the_largest_unit(age: int, text: str) -> None:
    now = datetime.now(UTC)
    assert ago(now - timedelta(seconds=age), now) == text
