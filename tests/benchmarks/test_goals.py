"""What could go wrong in silence: a goal that nobody judges, a ratio upside down, a page that says something else."""

import json
import re
from pathlib import Path

import databases
import goals
import page
import payloads
import plot
import pytest
import results
from results import Figure, Outcome, Table

BENCHMARKS = Path(page.__file__).parent


def test_every_goal_has_a_part_that_measures_it():
    code = {path.name: path.read_text() for path in BENCHMARKS.glob("*.py") if path.name not in ("goals.py",)}
    for goal in goals.GOALS:
        assert any(f'"{goal.key}"' in text for text in code.values()), goal.key


def test_every_measured_figure_has_a_goal():
    named = {key for path in BENCHMARKS.glob("*.py") for key in re.findall(r'Figure\(\s*"([\w-]+)"', path.read_text())}
    assert named <= {goal.key for goal in goals.GOALS}
    assert named


@pytest.mark.parametrize(("value", "verdict"), [(1.5, "met"), (1.49, "missed"), (9.0, "met")])
def test_a_figure_below_a_floor_is_missed(value: float, verdict: str):
    assert next(one.verdict for one in goals.judged([Figure("drain-acknowledging", "", [value])])) == verdict


@pytest.mark.parametrize(("value", "verdict"), [(0.85, "met"), (0.86, "missed"), (0.1, "met")])
def test_a_figure_above_a_ceiling_is_missed(value: float, verdict: str):
    found = goals.judged([Figure("enqueue-one", "", [value])])
    assert [one.verdict for one in found if one.goal.key == "enqueue-one"] == [verdict]


def test_what_was_not_measured_is_said_to_be_so():
    assert {one.verdict for one in goals.judged([])} == {"not measured"}


def test_a_ratio_is_taken_against_the_best_of_each_round():
    assert results.ratios([10.0, 30.0], [5.0, 10.0], [2.0, 15.0]) == [2.0, 2.0]


def test_a_spread_shows_the_least_and_the_most():
    assert results.spread([3.0, 1.0, 2.0], 1) == "2.0 (1.0 to 3.0)"


def test_reports_are_the_same_every_time_and_what_the_registry_takes():
    from memory_graph_workers.clients.registry import USAGE

    assert payloads.reports(50) == payloads.reports(50)
    assert all(USAGE.read(report).total_tokens for report in payloads.reports(50))


def test_an_outcome_survives_its_file():
    made = Outcome([Figure("events", "0 ms", [1.0])], [Table("T", ["a"], [["b"]])], {"0 ms": {"x": 1.0}})
    made.stacks["SQLite"] = {"x": {"worker": 1.0}}
    assert results.from_json(json.loads(json.dumps(results.as_json(made)))) == made


def test_a_stack_shows_its_parts_to_scale_and_the_short_ones_enlarged():
    long, short = {"producer": 3.0, "worker": 1.0}, {"producer": 0.1, "worker": 0.3}
    drawn = plot.stacks({"SQLite": {"long": long, "short": short}})
    widths = [float(found) for found in re.findall(r'width="([\d.]+)" height="15"', drawn)]
    assert widths[0] == pytest.approx(3 * widths[1], abs=0.2)  # in the bar of 4.0
    assert sum(widths[2:4]) == pytest.approx(sum(widths[:2]) / 10, abs=0.2)  # the short one beside it
    assert sum(widths[4:]) == pytest.approx(sum(widths[:2]), abs=0.2)  # and enlarged
    assert drawn.count(">short<") == 2
    assert drawn.count(">long<") == 1


def test_a_report_that_is_lost_or_duplicated_is_noticed():
    reports = payloads.numbered(3)
    tokens = sum(report["total_tokens"] for report in reports)
    databases.Counted(3, 3, (3, tokens), (3, tokens)).check(reports)
    for wrong in (
        databases.Counted(2, 2, (2, tokens), (2, tokens)),
        databases.Counted(4, 3, (3, tokens), (3, tokens)),
        databases.Counted(3, 3, (3, tokens), (4, tokens)),
        databases.Counted(3, 3, (3, tokens - 1), (3, tokens - 1)),
    ):
        with pytest.raises(RuntimeError, match="lost"):
            wrong.check(reports)


def test_stacks_are_a_picture_of_their_own_in_the_page():
    made = Outcome(tables=[Table("T", ["a"], [["b"]])], stacks={"SQLite": {"x": {"worker": 1.0}}})
    told = {"rounds": 1, "measured_at": "2026-01-01T00:00", "python": "3", "machine": "M"}
    kept = {"whole-usage": results.as_json(made) | told}
    assert [path.name for path in page.pictures(kept)] == ["drain.svg", "whole-usage.svg"]
    assert "](images/whole-usage.svg)" in page.figures(kept)


def test_the_page_is_what_the_data_says():
    kept = page.read()
    assert page.figures(kept) in page.PAGE.read_text()
    for path, picture in page.pictures(kept).items():
        assert path.read_text() == picture, path.name
