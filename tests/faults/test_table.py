"""The table of the fault matrix: rows that ran by themselves come into it, and it says so."""

from typing import Any

import pytest
from faults.chaos import matrix_table, merged
from support.pages import BEGIN, END

ROW: dict[str, Any] = {"promise": "p", "how": "h", "runs": 1, "lost": 0, "twice": 0, "recovery_secs": None}
HOLDS = {**ROW, "verdict": "holds"}


def page(lines: list[str]) -> str:
    return "\n".join(["before", BEGIN.format("matrix", "chaos"), *lines, END.format("matrix"), "after"])


@pytest.mark.short
def test_a_row_that_ran_by_itself_takes_the_place_of_its_fault_or_comes_last() -> None:
    whole = ["2 processors, 21 minutes in all.", "", *matrix_table([{**HOLDS, "fault": "a"}, {**HOLDS, "fault": "b"}])]
    once = merged(page(whole), [{**HOLDS, "fault": "a", "lost": 1, "verdict": "broken: 1 lost"}])
    assert once[0] == "2 processors, 21 minutes in all. Later, by themselves: a."
    assert [line.split(" | ")[0] for line in once[4:]] == ["| a", "| b"]
    assert once[4].endswith("| broken: 1 lost |")
    twice = merged(page(once), [{**HOLDS, "fault": "a"}, {**HOLDS, "fault": "c"}])
    assert twice[0] == "2 processors, 21 minutes in all. Later, by themselves: a; c."
    assert [line.split(" | ")[0] for line in twice[4:]] == ["| a", "| b", "| c"]
    assert all(line.endswith("| holds |") for line in twice[4:])
