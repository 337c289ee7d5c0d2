"""The dashboard's queries, as Grafana sends them."""

import json
from collections.abc import Iterator
from typing import Any

from monitoring.rules import FOLDER

DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
_FILLED_IN = {"$instance": ".*", "$__rate_interval": "5m"}


def panels() -> Iterator[dict[str, Any]]:
    """Every panel that shows data."""
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str]]:
    """Each query with the name of its panel, its variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for variable, value in _FILLED_IN.items():
                expr = expr.replace(variable, value)
            yield f"{panel['title']} {target['refId']}", expr
