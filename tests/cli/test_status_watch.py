"""`mgw status --watch`, on a terminal of any size and where there is none."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.cli.status.fitted import Fitted
from memory_graph_workers.cli.status.snapshot import Looks
from memory_graph_workers.delivery import HoldStore, Keys
from rich.cells import cell_len
from rich.console import Console
from rich.screen import Screen
from support.broker import Broker
from support.forked import Forked, mgw
from support.looked_at import WAITING, environ_of
from support.scraping import target_at
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import LONGEST_SECS, until

KEYS = Keys("shop")


@pytest.mark.parametrize("given", ["0", "often", "1.5", "nan", "4000"])
def test_an_interval_that_is_none_is_wrong_usage(given: str) -> None:
    told = mgw("status", f"--watch={given}", environ=environ_of("redis://127.0.0.1:1/0"))
    assert (told.returncode, told.stdout) == (2, "")
    assert "--watch" in told.stderr


@contextmanager
def watching(broker: Broker, folder: Path, *options: str) -> Iterator[tuple[Forked, Path]]:
    out, err = folder / "out", folder / "err"
    process = Forked(
        "memory_graph_workers.cli",
        ["status", "--watch", *options],
        environ_of(broker.url),
        folder,
        [Path(os.devnull), out, err],
    )
    try:
        yield process, out
    finally:
        process.kill()
        process.wait(LONGEST_SECS)


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_program_that_watches_gets_an_object_a_line(
    broker: Broker, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with watching(broker, tmp_path, "1", "--json") as (process, out):
        until(lambda: len(lines_of(out)) >= 2)
        process.send_signal(number)
        assert process.wait(LONGEST_SECS) == code
    found = [json.loads(line) for line in lines_of(out)]
    assert all(one["ok"] for one in found)
    assert found[0]["looked_at"] < found[1]["looked_at"]


def test_where_there_is_no_terminal_a_watch_is_plain_text(broker: Broker, tmp_path: Path) -> None:
    with watching(broker, tmp_path, "1") as (process, out):
        until(lambda: sum("everything was read" in line for line in lines_of(out)) >= 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(LONGEST_SECS) == 130
    assert "\x1b" not in out.read_text()


class Terminal:
    """`mgw status --watch` on a terminal of 80 columns, and everything that it wrote there."""

    def __init__(self, url: str, **changes: str) -> None:
        self._ours, theirs = pty.openpty()
        environ = {**environ_of(url), "TERM": "xterm", "COLUMNS": "80", "LINES": "50", "PYTHONUTF8": "1", **changes}
        command = [sys.executable, "-m", "memory_graph_workers.cli", "status", "--watch", "1"]
        self.process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environ)
        os.close(theirs)
        self.text = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 65536):
                self.text += part
        except OSError:  # so a terminal on Linux says that the program has ended
            pass

    def ended(self) -> int:
        code = self.process.wait(LONGEST_SECS)
        self._reader.join()
        os.close(self._ours)
        return code


@pytest.fixture
def terminal(broker: Broker) -> Iterator[Terminal]:
    one = Terminal(broker.url)
    yield one
    one.process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_terminal_is_drawn_over_and_is_as_before_at_the_end(
    terminal: Terminal, number: signal.Signals, code: int
) -> None:
    until(lambda: terminal.text.count(b"everything was read") >= 3)
    terminal.process.send_signal(number)
    assert terminal.ended() == code
    entered, left = b"\x1b[?1049h", b"\x1b[?1049l"
    assert (terminal.text.count(entered), terminal.text.count(left)) == (1, 1)
    assert terminal.text.rindex(b"\x1b[?25h") > terminal.text.index(b"\x1b[?25l")
    assert re.search(rb"\x1b\[[23]?J", terminal.text) is None, "it was cleared between two looks, which flickers"


def test_a_terminal_shows_that_redis_went_away_and_came_back(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    terminal = Terminal(broker.url)
    try:
        shows: Callable[[bytes], Callable[[], bool]] = lambda part: lambda: part in terminal.text  # noqa: E731
        until(shows(b"everything was read"))
        broker.stop()
        until(shows(b"STALE: of "))
        seen = len(terminal.text)
        broker.start()
        until(lambda: b": everything was read" in terminal.text[seen:])
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 130
    finally:
        terminal.process.kill()
        broker.redis.close()
        broker.stop()


@pytest.fixture(scope="module")
def away() -> dict[str, Any]:
    """A look while Redis is away."""
    return Looks(target_at("redis://127.0.0.1:1/0")).look()


def fitted(found: dict[str, Any], width: int, height: int) -> list[str]:
    """The lines that a watch draws on a terminal of this size."""
    text = io.StringIO()
    console = Console(file=text, width=width, height=height)
    console.print(Screen(Fitted(found, is_cropped=True)))
    lines = text.getvalue().removesuffix("\n").split("\n")
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def test_a_tiny_terminal_gets_the_most_urgent_words(broker: Broker, away: dict[str, Any]) -> None:
    broker.redis.lpush("orders", WAITING % time.time())
    HoldStore(broker.redis, KEYS).put("bank", 0, "it is down")
    found = Looks(target_at(broker.url)).look()
    first, second, third = fitted(found, 20, 3)
    assert re.fullmatch(r"\d\d:\d\d:\d\d all read", first)
    assert (second, third) == ("1 wait, 2 held", "0 workers")
    assert fitted(found, 20, 5)[3] == "0 dead letters"
    assert fitted(found, 200, 1) == [first]
    assert fitted(away, 20, 4)[1:] == ["broker away", "state away", "? wait, ? held"]


@pytest.mark.parametrize("width", [1, 2, 5, 20, 39, 40, 80, 300])
@pytest.mark.parametrize("height", [1, 2, 3, 7, 8, 12, 24, 100])
def test_any_terminal_shows_what_fits(away: dict[str, Any], width: int, height: int) -> None:
    lines = fitted(away, width, height)
    assert lines[0]


def test_a_low_terminal_says_how_much_it_leaves_out(away: dict[str, Any]) -> None:
    whole = fitted(away, 80, 100)
    count = max(number for number, line in enumerate(whole, 1) if line)
    shown = fitted(away, 80, 12)
    assert shown[:11] == whole[:11]
    assert shown[11] == f"… {count - 11} more lines: make the window higher"


def test_a_terminal_on_which_nothing_can_be_drawn_over_gets_one_look_after_another(broker: Broker) -> None:
    terminal = Terminal(broker.url, TERM="dumb", COLUMNS="20", LINES="3")
    try:
        until(lambda: terminal.text.count(b"all read") >= 2)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 130
        assert b"\x1b" not in terminal.text
    finally:
        terminal.process.kill()
