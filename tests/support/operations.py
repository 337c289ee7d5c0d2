"""The operations of both HTTP services, as their published contracts list them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from memory_graph_workers.schemas import registry, vault
from support.fuzzing import JSON, NUMBERS, ODD_NUMBERS, ODD_TEXTS, ODD_TIMES, TEXT, TIMES

CONTRACTS = Path(__file__).parents[2] / "docs/contract"
# Values that a rule between fields asks for; any other value is chosen by its type.
RIGHT = {"total_tokens": 9, "retention_days": 9000, "status": "completed"}
BY_TYPE: dict[str, Any] = {
    "time": "2026-01-31T12:00:00Z",
    "integer": 4,
    "boolean": True,
    "array": ["t"],
    "object": {},
    "string": "s",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path: what it is asked with, each value as JSON Schema."""

    service: str
    method: str
    path: str
    query: dict[str, Any]
    body: dict[str, Any]
    required: set[str]
    body_schema: Any
    is_batch: bool

    @property
    def name(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def right(self) -> dict[str, Any]:
        """A body, or an entry of one, with every field that there is, optional ones too."""
        return {name: right_value(name, schema) for name, schema in self.body.items()}


def right_value(name: str, schema: dict[str, Any]) -> Any:
    """A value that a field takes."""
    if name in RIGHT:
        return RIGHT[name]
    return schema["enum"][0] if "enum" in schema else BY_TYPE[_type(schema)]


def odd_values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a field's type, right or just outside of what it takes, and of any other type."""
    return {"time": TIMES | JSON, "integer": NUMBERS | JSON, "string": TEXT | JSON}.get(_type(schema), JSON)


def edges(schema: dict[str, Any]) -> list[Any]:
    """The values of a field's type that are worth a try each time."""
    of_type = {"time": ODD_TIMES, "integer": [1, 10**9, 10**9 + 1, *ODD_NUMBERS], "string": ODD_TEXTS}
    return [None, *schema.get("enum", []), *of_type.get(_type(schema), [[], {}, True, 0, ""])]


def operations() -> list[Operation]:
    """Everything that both services can be asked but for health."""
    return [operation for service in ("registry", "vault") for operation in _of(service)]


def _of(service: str) -> Iterator[Operation]:
    contract = json.loads((CONTRACTS / f"{service}.openapi.json").read_text())
    for path, item in contract["paths"].items():
        if path.startswith("/api/"):
            for method in [name for name in item if name != "parameters"]:
                yield _operation(service, method, path, item[method], contract["components"]["schemas"])


def _operation(service: str, method: str, path: str, told: dict[str, Any], schemas: dict[str, Any]) -> Operation:
    query = {one["name"]: one["schema"] for one in told.get("parameters", []) if one.get("in") == "query"}
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    entry = body.get("items", body)
    name = entry.get("allOf", [entry])[0].get("$ref", "").rpartition("/")[2]
    kind = getattr({"registry": registry, "vault": vault}[service], f"{name}Schema") if name else None
    fields = schemas[name]["properties"] if name else {}
    required = {*entry.get("required", []), *(schemas[name].get("required", []) if name else [])}
    return Operation(service, method.upper(), path, query, fields, required, kind and kind(), "items" in body)


def _type(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "time"
    found = schema.get("type", "object")  # no type: any JSON
    return found[0] if isinstance(found, list) else found
