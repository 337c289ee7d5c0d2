"""What type checkers are told of a task's payload and result is what the schemas say."""

import dataclasses
from datetime import datetime
from typing import Any, get_type_hints, is_typeddict

import pytest
from marshmallow import fields
from memory_graph_workers.schemas import results
from memory_graph_workers.schemas.base import Payload, Request
from memory_graph_workers.schemas.fields import Amount, Count, Json, JsonObject, Switch, Text, Timestamp
from memory_graph_workers.schemas.registry import ModelParametersSchema
from memory_graph_workers.schemas.rows import UnreadableRows, UnreadableRowSchema
from memory_graph_workers.schemas.vault import ArchiveFailureSchema
from memory_graph_workers.tasks import archival, registry, vault
from memory_graph_workers.tasks.operation import KEY, CheckedTask
from memory_graph_workers.tasks.parameters import PAYLOADS, WRITERS

OPERATIONS = [
    value for module in (registry, vault) for value in vars(module).values() if isinstance(value, CheckedTask)
]
WITH_PAYLOAD = [task for task in OPERATIONS if task.parameters.payload]
SCHEMAS = {
    f"{schema.model.__name__}Dict": schema
    for schema in (*WRITERS.values(), ModelParametersSchema(), ArchiveFailureSchema(), UnreadableRowSchema())
}
# A task of archiving says in its own signature what it returns; it has no model.
OWN = [value.parameters.returns for value in vars(archival).values() if isinstance(value, CheckedTask)]
DICTS = [value for value in vars(results).values() if is_typeddict(value) and value not in OWN]
WITH_MODEL = [task for task in OPERATIONS if task.parameters.returns in WRITERS]


def hint_of(field: fields.Field[Any], *, sent: bool) -> Any:
    """The type of a field's JSON values, or of the values that a sender may give."""
    if isinstance(field, fields.Nested):
        return getattr(results, f"{field.schema.model.__name__}Dict")
    if isinstance(field, fields.List):
        return list[hint_of(field.inner, sent=sent)]  # type: ignore[misc]
    if isinstance(field, fields.Enum):
        return field.enum if sent else str
    if isinstance(field, Timestamp):
        return datetime | str if sent else str
    plain = {JsonObject: dict[str, Any], Json: Any, Count: int, Amount: float, Switch: bool, Text: str}
    return next(hint for kind, hint in plain.items() if isinstance(field, kind))


def hints_of(schema: Payload[Any], *, sent: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in schema.fields.items():
        hint = hint_of(field, sent=sent)
        found[field.data_key or name] = hint | None if field.allow_none and hint is not Any else hint
    return found


@pytest.mark.parametrize("task", WITH_PAYLOAD, ids=lambda task: task.name)
def test_a_payload_may_be_given_by_the_fields_of_its_schema(task: Any) -> None:
    schema: Request[Any] = PAYLOADS[task.parameters.hints[task.parameters.payload]]
    assert task.fields, "name the payload's fields: operation(…, fields=calls.…)"
    told = get_type_hints(task.fields)["return"]
    assert get_type_hints(told) == {**hints_of(schema, sent=True), KEY: str | None}
    assert told.__required_keys__ == {name for name, field in schema.fields.items() if field.required}


@pytest.mark.parametrize("task", WITH_MODEL, ids=lambda task: task.name)
def test_a_result_has_the_keys_of_its_schema(task: Any) -> None:
    schema = WRITERS[task.parameters.returns]
    assert task.returns, "name the TypedDict of the result: operation(…, returns=results.…)"
    assert task.returns is getattr(results, f"{schema.model.__name__}Dict")


@pytest.mark.parametrize("told", DICTS, ids=lambda told: told.__name__)
def test_a_dict_has_the_fields_of_its_schema(told: Any) -> None:
    schema = SCHEMAS[told.__name__]
    assert get_type_hints(told) == hints_of(schema, sent=False)
    least = {name for name, default in defaults(schema).items() if default is not None or schema.fields[name].required}
    nullable = {name for name, field in schema.fields.items() if field.allow_none}
    if_any = {name for name, field in schema.fields.items() if isinstance(field, UnreadableRows)}
    assert told.__required_keys__ == {schema.fields[name].data_key or name for name in (least | nullable) - if_any}


def defaults(schema: Payload[Any]) -> dict[str, Any]:
    """The default of each field of a model; of one that has none, or a made one, something that is not None."""
    return {field.name: field.default for field in dataclasses.fields(schema.model)}
