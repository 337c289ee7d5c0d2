"""The Grafana dashboard over the metrics of `mgw metrics`.

`python deploy/prometheus/dashboard.py` writes dashboard.json; `--check` only says whether it differs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from panels import ROWS, Panel

FILE = Path(__file__).parent / "dashboard.json"
SCHEMA_VERSION = 41  # of Grafana 12, which newer ones bring up to date when they load it
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_EXPORTERS = "label_values(mgw_redis_up, instance)"
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 8


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "memory-graph-workers",
        "title": "memory-graph-workers",
        "description": "What waits, what is held, what failed, how far the sweep is, and who is there.",
        "tags": ["celery", "memory-graph-workers"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables())},
        "annotations": {"list": [_alerts()]},
        "links": [],
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    shared = {"hide": 0, "skipUrlSync": False, "current": {}, "options": [], "regex": ""}
    yield {
        **shared,
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "refresh": 1,
    }
    yield {
        **shared,
        "type": "query",
        "name": "instance",
        "label": "mgw metrics",
        "datasource": _DATASOURCE,
        "definition": _EXPORTERS,
        "query": {"query": _EXPORTERS, "refId": "instance"},
        "includeAll": True,
        "multi": True,
        "refresh": 2,
        "sort": 1,
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Mgw.*",alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{queue}} {{service}} {{task}} {{server}}",
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        top += 1
        for index, panel in enumerate(panels):
            number += 1
            down, across = divmod(index, _COLUMNS // _WIDTH)
            place = {"h": _HEIGHT, "w": _WIDTH, "x": across * _WIDTH, "y": top + down * _HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
        top += -(-len(panels) * _WIDTH // _COLUMNS) * _HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "targets": [_target(panel, *one) for one in zip(ascii_uppercase, panel.queries.items(), strict=False)],
        **_LOOKS[panel.kind],
    }


def _field(panel: Panel) -> dict[str, Any]:
    options = {
        str(value): {"text": text, "color": colour, "index": value} for value, (text, colour) in panel.names.items()
    }
    mappings = [{"type": "value", "options": options}] if options else []
    lines = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    custom = {"timeseries": lines, "state-timeline": {"lineWidth": 0, "fillOpacity": 70}}.get(panel.kind, {})
    return {"unit": panel.unit, "min": 0, "mappings": mappings, "custom": custom, "color": {"mode": "palette-classic"}}


def _target(panel: Panel, letter: str, query: tuple[str, str]) -> dict[str, Any]:
    legend, expr = query
    is_table = panel.kind == "table"
    return {
        "refId": letter,
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": expr.replace("SEL", 'instance=~"$instance"'),
        "legendFormat": legend,
        "range": not is_table,
        "instant": is_table,
        "format": "table" if is_table else "time_series",
    }


_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": list[str]()}
_TOOLTIP = {"mode": "multi", "sort": "desc"}
_LOOKS: dict[str, dict[str, Any]] = {
    "timeseries": {"options": {"legend": _LEGEND, "tooltip": _TOOLTIP}},
    "state-timeline": {
        "options": {
            "legend": {**_LEGEND, "showLegend": False},
            "tooltip": _TOOLTIP,
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.9,
            "alignValue": "left",
        }
    },
    "table": {
        "options": {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": "letters", "desc": True}]},
        "transformations": [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {"Value": "letters"},
                    "indexByName": {"task": 0, "reason": 1, "Value": 2},
                },
            }
        ],
    },
}


def main() -> int:
    """Write the file, or check it; 1 if it differs."""
    text = json.dumps(dashboard(), indent=2) + "\n"
    if "--check" in sys.argv:
        differs = not FILE.exists() or FILE.read_text() != text
        if differs:
            sys.stderr.write("dashboard.json is out of date; run: make tables\n")
        return int(differs)
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
