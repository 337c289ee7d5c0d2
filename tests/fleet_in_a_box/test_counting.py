"""What a run of the fleet says is right: its counts, its table, its picture, and why it was not made."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from fleet_in_a_box.__main__ import NOT_PERMITTED, parts
from fleet_in_a_box.effects import Effects, Sent
from fleet_in_a_box.row import Row, as_text, lines_of
from fleet_in_a_box.topology import ADDRESSES, MACHINES, picture

PROGRAM = Path(__file__).parent


def test_what_was_acknowledged_is_in_the_ledger_up_to_its_last_whole_line(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    lines = [{"report": "a", "at": 1.0}, {"session": "s", "usages": 2, "at": 2.0}, {"report": "b", "at": 3.0}]
    ledger.write_text("\n".join(map(json.dumps, lines)))
    assert Sent.of([ledger]) == Sent({"a"}, {"s": 2})
    assert Sent.of([ledger], since=1.5) == Sent(set(), {"s": 2})
    assert Sent.of([tmp_path / "none yet"]) == Sent()


def test_each_missing_effect_and_each_second_one_is_counted() -> None:
    sent = Sent({"a", "b"}, {"whole": 2, "short": 2, "unmarked": 1})
    assert sent.effects == 2 + 5 + 3
    effects = Effects(
        Counter({"a": 2, "of another run": 2}),
        Counter({"whole": 3, "short": 1, "unmarked": 1}),
        Counter({"whole": 2, "unmarked": 1}),
        {"whole": "archived", "short": "completed", "unmarked": "completed"},
    )
    assert effects.lost(sent) == 1 + 1 + 2
    assert effects.twice(sent) == 1 + 1 + 1


def test_a_row_holds_if_all_was_counted_and_is_as_promised() -> None:
    rows = {waits: Row("failover", "what", "promise", waits, may_lose=not waits) for waits in (0, 1)}
    assert not rows[0].holds
    for row in rows.values():
        row.count(100, 2, 0)
    assert [row.verdict for row in rows.values()] == ["holds", "broken: 2 lost"]
    assert "| what | promise | - | 100 | 2 | 0 | - | holds |" in lines_of([rows[0]])
    assert json.loads(as_text(list(rows.values())))["holds"] is False


def test_an_effect_made_twice_is_never_held_to_be_right() -> None:
    row = Row("failover", "what", "promise", may_lose=True)
    row.count(100, 0, 1)
    assert row.verdict == "broken: 1 twice"


def test_failovers_are_made_with_and_without_waiting_for_replicas() -> None:
    made = Counter(row.name for row, _ in parts())
    assert {name for name, times in made.items() if times == 2} == {"primary-cut", "failover", "primary-killed"}


def test_the_picture_shows_every_machine() -> None:
    text = "\n".join(picture())
    assert all(f"<b>{name}</b>" in text for name in MACHINES)
    assert len(set(ADDRESSES.values())) == len(MACHINES)


def test_where_it_is_not_permitted_it_says_what_is_missing_and_ends_with_its_own_code(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, PROGRAM], env=environ, capture_output=True, text=True)
    assert done.returncode == NOT_PERMITTED
    assert "the program ip (apt install iproute2)" in done.stderr
