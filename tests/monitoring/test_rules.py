"""The alerts, what they look at and what the runbook says of them; their thresholds, as promtool evaluates them."""

import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from memory_graph_workers.cli.main import mgw
from monitoring.rules import ALERTS, FILE, FOLDER, OF_PROMETHEUS, RECORDED, ROOT, document, grouped, series, used
from monitoring.thresholds import CASES, units_of
from support.promtool import prometheus_program

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
CHAPTERS = dict(re.findall(r"^## (Mgw\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))
SEVERITIES = {"critical": "Wake somebody", "warning": "In working hours", "info": "In working hours"}


def promtool(*arguments: object) -> str:
    """What promtool says."""
    command = [prometheus_program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_rules_and_the_example() -> None:
    assert f"{len(ALERTS) + len(RECORDED)} rules found" in promtool("check", "rules", FILE)
    assert "is valid prometheus config" in promtool("check", "config", FOLDER / "prometheus.yml")


def test_every_alert_has_its_heading_in_the_runbook_and_no_heading_is_left_over() -> None:
    assert list(CHAPTERS) == list(ALERTS), "docs/runbook.md has the alerts in the order of alerts.yml"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_happened_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    alert = ALERTS[name]
    assert re.fullmatch(r"\d+[smhd]", alert["for"])
    assert alert["labels"].keys() == {"severity"}
    assert SEVERITIES[alert["labels"]["severity"]] in CHAPTERS[name]
    said = alert["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url"}
    assert said["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert len(re.findall(r"[.:] ", said["description"])) >= 1, "what happened, why it matters, and what to do next"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_looks_at_metrics_and_labels_that_there_are(name: str) -> None:
    known, alert = series(), ALERTS[name]
    looked_at = list(used(alert["expr"]))
    assert looked_at
    assert [one for one, _ in looked_at if one not in known] == []
    assert [one for one, selected in looked_at if not selected <= known[one] | OF_PROMETHEUS] == []
    shown = {label for text in alert["annotations"].values() for label in re.findall(r"\$labels\.(\w+)", text)}
    assert shown | grouped(alert["expr"]) <= OF_PROMETHEUS.union(*(known[one] for one, _ in looked_at))


def test_no_alert_believes_flower_that_a_worker_is_there() -> None:
    assert [name for name, alert in ALERTS.items() if "flower" in alert["expr"]] == []


@pytest.mark.parametrize("name", ALERTS)
def test_the_runbook_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    chapter = CHAPTERS[name]
    for part in ("**Look**", "**Do**"):
        assert part in chapter
    assert re.search(r"`(mgw|celery|redis-cli|curl|ACL|CONFIG|INFO) ?", chapter)


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`mgw ([a-z][^`]*)`", RUNBOOK))))
def test_every_command_of_the_runbook_is_one(line: str) -> None:
    command: click.Command | None = mgw
    for word in line.split():
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        command = command.get_command(click.Context(command), word)
        assert command is not None, f"mgw {line}: there is no {word}"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_beyond_its_threshold_when_its_time_is_over_and_never_at_it(alert: str, tmp_path: Path) -> None:
    (group,) = (one for one in document()["groups"] if any(rule.get("alert") == alert for rule in one["rules"]))
    group["rules"] = [rule for rule in group["rules"] if rule.get("alert") == alert or "record" in rule]
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [group]}))
    every = f"{CASES[alert].every_secs}s"
    file = {"rule_files": ["alerts.yml"], "evaluation_interval": every, "tests": units_of(alert)}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(file))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "tests.yml")


def test_every_alert_has_its_thresholds_tested() -> None:
    assert list(CASES) == list(ALERTS)
