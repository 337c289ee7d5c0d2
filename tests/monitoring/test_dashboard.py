"""The Grafana dashboard: as its program writes it, whole, and over metrics that there are."""

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.panels_shown import DASHBOARD, panels, queries
from monitoring.rules import FOLDER, OF_PROMETHEUS, grouped, series, used
from support.promtool import prometheus_program

ROWS = [
    "What waits, and since when",
    "What is held, and why",
    "Failures and dead letters",
    "Sweeps",
    "Workers, beat and Redis",
    "Durations",
]
TITLES = [panel["title"] for panel in panels()]


def panel_called(title: str) -> dict[str, Any]:
    return next(panel for panel in panels() if panel["title"] == title)


def test_the_file_is_what_its_program_writes() -> None:
    command = [sys.executable, FOLDER / "dashboard.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_has_its_rows_and_no_panel_lies_on_another() -> None:
    placed = DASHBOARD["panels"]
    assert [panel["title"] for panel in placed if panel["type"] == "row"] == ROWS
    assert len({panel["id"] for panel in placed}) == len(placed)
    assert len(set(TITLES)) == len(TITLES)
    places = [panel["gridPos"] for panel in placed]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def overlap(one: dict[str, int], two: dict[str, int]) -> bool:
    return all(one[at] < two[at] + two[size] and two[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h")))


def test_whoever_imports_it_chooses_the_prometheus() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    places = [*panels(), *(target for panel in panels() for target in panel["targets"]), variables["instance"]]
    assert [place for place in [*places, *DASHBOARD["annotations"]["list"]] if place["datasource"] != chosen] == []


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_looks_at_metrics_and_labels_that_there_are(title: str) -> None:
    panel, known = panel_called(title), series()
    assert panel["description"].endswith(".")
    for target in panel["targets"]:
        looked_at = list(used(target["expr"]))
        assert looked_at
        assert [one for one, _ in looked_at if one not in known] == []
        assert [one for one, selected in looked_at if not selected <= known[one] | OF_PROMETHEUS] == []
        kept = grouped(target["expr"])
        assert kept <= OF_PROMETHEUS.union(*(known[one] for one, _ in looked_at))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, (_, expr) in enumerate(queries())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    command = [prometheus_program("promtool"), "check", "rules", tmp_path / "rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
