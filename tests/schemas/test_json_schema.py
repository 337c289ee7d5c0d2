"""The JSON Schemas say what the marshmallow schemas do: what one accepts or refuses, the other does too."""

import subprocess
import sys
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from memory_graph_workers.schemas import registry, vault
from memory_graph_workers.schemas.base import Payload, Request, Response, ValidationError
from memory_graph_workers.schemas.json_schema import components, document, name_of

ALL: list[type[Payload[Any]]] = [
    kind
    for module in (registry, vault)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Payload) and kind not in (Request, Response)
]
WRONG_BY_TYPE: dict[str, list[Any]] = {
    "string": [5, True, [], {}],
    "integer": [-1, 1.5, "5", True, [], 2**63],
    "number": ["5", True, [], {}],
    "boolean": [0, 1, "true", []],
    "object": [[], "text", 5],
    "array": [{}, "text", 5, [5], [None]],
}
WRONG_IDS = ["", ".", "..", "a\nb", "a\n", "\x7f", "a\x00", "\x80", "a\x85", "\u202eb", "\u2066", "\u2028", "x" * 257]
INVISIBLE = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]))
INVISIBLE += "\u061c\u200e\u200f"
WRONG_MOMENTS = ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "\uff12026-01-31T12:00:00Z"]
WRONG_BY_NAME: dict[str, list[Any]] = {
    **dict.fromkeys(["policy_id", "archive_id"], WRONG_IDS),
    **dict.fromkeys(["started_at", "ended_at", "created_at", "archived_at", "timestamp", "from", "to"], WRONG_MOMENTS),
    "status": ["a\x00"],
    "compliance_level": ["", "HIPAA", "iso"],
    "avg_latency_ms": [-0.1],
    "temperature": [-0.1, 2.1],
    "model_version": ["x" * 257, "a\x00"],
    "description": ["x" * 100_001, "a\x00"],
}
WRONG_REQUESTS = [
    (registry.SessionRegistrationSchema, "session_id", WRONG_IDS),
    (registry.SessionRegistrationSchema, "model_id", WRONG_IDS),
    (registry.SessionRegistrationSchema, "tags", [["t"] * 101, [""], ["x" * 257], ["a\x00"]]),
    (registry.StatusUpdateSchema, "status", ["", "Active", "deleted"]),
    (registry.UsageReportSchema, "model_id", ["x" * 257]),
    (vault.ArchiveEntrySchema, "id", WRONG_IDS),
    (vault.ArchiveEntrySchema, "retention_days", [0, 365_001]),
    (vault.RetentionPolicySchema, "name", ["", "x" * 257]),
    (vault.RetentionPolicySchema, "description", ["x" * 10_001]),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


# Ignored if it is wrong, because another service may mean something else by it, and never written if it is empty.
OF_SOME_SERVICES = {"unreadable"}


@cache
def validator(schema: type[Payload[Any]]) -> Draft202012Validator:
    return Draft202012Validator(document(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)


def is_valid(schema: type[Payload[Any]], payload: Any) -> bool:
    return validator(schema).is_valid(payload)


def is_accepted(schema: type[Payload[Any]], payload: Any) -> bool:
    try:
        schema().read(payload)
    except ValidationError:
        return False
    return True


def kinds(part: dict[str, Any]) -> list[str]:
    named = part.get("type", "anything")
    return named if isinstance(named, list) else [named]


def payloads(part: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that follow a schema."""
    if "$ref" in part:
        return payloads(defs[part["$ref"].rsplit("/", 1)[1]], defs)
    return st.one_of([of_kind(kind, part, defs) for kind in kinds(part)])


def of_kind(kind: str, part: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "string":
            return texts(part)
        case "integer":
            return st.integers(part["minimum"], part["maximum"])
        case "number":
            return st.floats(part.get("minimum"), part.get("maximum"), allow_nan=False, allow_infinity=False)
        case "array":
            return st.lists(payloads(part["items"], defs), max_size=3) | st.just([]) if "items" in part else st.just([])
        case "object":
            return objects(part, defs)
        case _:
            return {"boolean": st.booleans(), "null": st.none()}.get(kind, JSON)


def texts(part: dict[str, Any]) -> st.SearchStrategy[str]:
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if part.get("format") == "date-time":
        first, last = datetime(1, 1, 2), datetime(9999, 12, 31)  # noqa: DTZ001
        return st.datetimes(first, last).map(lambda moment: moment.isoformat() + "Z")
    letters = st.characters(codec="utf-8", exclude_characters="\x00" if "pattern" in part else INVISIBLE)
    if part.get("not", {}).get("pattern") == "[^\\x21-\\x7e]":  # printable ASCII alone
        letters = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    short = st.text(letters, min_size=part.get("minLength", 0), max_size=20)
    return short.filter(lambda text: text not in {".", ".."}) | st.just("x" * min(part["maxLength"], 10_000))


def objects(part: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in part:
        return st.dictionaries(st.text(), JSON, max_size=3)
    members = {name: payloads(member, defs) for name, member in part["properties"].items()}
    needed = {name: members.pop(name) for name in part.get("required", [])}
    return st.fixed_dictionaries(needed, optional=members)


def least(part: dict[str, Any], defs: dict[str, Any]) -> Any:
    """The smallest value that follows a schema."""
    if "$ref" in part:
        return least(defs[part["$ref"].rsplit("/", 1)[1]], defs)
    moment = "2026-01-31T12:00:00Z" if "format" in part else "x"
    simple = {"string": part.get("enum", [moment])[0], "integer": part.get("minimum"), "array": [], "number": 1.5}
    if "properties" not in part:
        return simple.get(kinds(part)[0], {} if "type" in part else None)
    return {name: least(part["properties"][name], defs) for name in part.get("required", [])}


def least_of(schema: type[Payload[Any]]) -> dict[str, Any]:
    made = document(schema)
    return least(made, made.get("$defs", {}))


def wrong_members() -> list[Any]:
    """Every field of every schema with every value that breaks it."""
    cases = [(schema, name, value) for schema, name, values in WRONG_REQUESTS for value in values]
    for schema in ALL:
        for name, part in document(schema)["properties"].items():
            wrong = [value for kind in kinds(part)[:1] for value in WRONG_BY_TYPE.get(kind, [])]
            null = [None] if "type" in part and "null" not in kinds(part) and issubclass(schema, Request) else []
            cases += [(schema, name, value) for value in [*wrong, *null, *WRONG_BY_NAME.get(name, [])]]
    return [case for case in cases if case[1] not in OF_SOME_SERVICES]


@pytest.mark.parametrize("schema", ALL, ids=name_of)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_follows_a_json_schema_is_accepted(schema: type[Payload[Any]], data: st.DataObject) -> None:
    made = document(schema)
    payload = data.draw(payloads(made, made.get("$defs", {})))
    if issubclass(schema, registry.UsageReportSchema):
        payload = {**payload, "prompt_tokens": 0, "total_tokens": payload["completion_tokens"]}
    assert is_valid(schema, payload)
    schema().read(payload)


@pytest.mark.parametrize("schema", ALL, ids=name_of)
def test_the_least_payload_follows_its_json_schema(schema: type[Payload[Any]]) -> None:
    Draft202012Validator.check_schema(document(schema))
    assert is_valid(schema, least_of(schema))
    assert is_accepted(schema, least_of(schema))


@pytest.mark.parametrize(("schema", "name", "value"), wrong_members(), ids=lambda value: ascii(value)[:30])
def test_what_breaks_a_limit_is_refused_by_both(schema: type[Payload[Any]], name: str, value: Any) -> None:
    payload = {**least_of(schema), name: value}
    assert not is_valid(schema, payload)
    assert not is_accepted(schema, payload)


def test_each_character_of_an_id_is_judged_alike_by_both() -> None:
    schema, chars = registry.SessionRegistrationSchema, [*map(chr, range(0x250)), *map(chr, range(0x2000, 0x2100))]
    for char in [*chars, *INVISIBLE, "\ufeff", "\ufffd", "\U0010ffff"]:
        payload = {**least_of(schema), "session_id": f"a{char}"}
        assert is_valid(schema, payload) is is_accepted(schema, payload) is (char not in INVISIBLE), ascii(char)


@pytest.mark.parametrize("schema", ALL, ids=name_of)
def test_a_member_that_is_needed_is_missed_by_both(schema: type[Payload[Any]]) -> None:
    for name in document(schema).get("required", []):
        payload = {key: value for key, value in least_of(schema).items() if key != name}
        assert not is_valid(schema, payload)
        assert not is_accepted(schema, payload)


@pytest.mark.parametrize("schema", ALL, ids=name_of)
def test_an_unknown_member_is_a_typo_in_a_request_and_growth_in_an_answer(schema: type[Payload[Any]]) -> None:
    payload = {**least_of(schema), "surprise": 1}
    assert is_valid(schema, payload) is is_accepted(schema, payload) is not issubclass(schema, Request)


@pytest.mark.parametrize("schema", ALL, ids=name_of)
def test_what_is_left_out_counts_as_the_default_says(schema: type[Payload[Any]]) -> None:
    parts = document(schema)["properties"]
    said = {name: part["default"] for name, part in parts.items() if "default" in part and name not in OF_SOME_SERVICES}
    without = schema().as_json(schema().read(least_of(schema)))
    given = schema().as_json(schema().read({**least_of(schema), **said}))
    assert {name: without.get(name) for name in said} == {name: given.get(name) for name in said} == said


def test_components_hold_what_a_payload_refers_to() -> None:
    found = components(registry.ModelListSchema, vault.PolicyCreatedSchema, at="#/x/")
    assert found.keys() == {"ModelList", "ModelMetadata", "ModelParameters", "PolicyCreated", "UnreadableRow"}
    assert found["ModelList"]["properties"]["models"]["items"] == {"$ref": "#/x/ModelMetadata"}


def test_every_payload_is_described() -> None:
    undescribed = [name for name, schema in components(*ALL).items() if not schema.get("description")]
    assert undescribed == []


def test_a_producer_needs_none_of_it() -> None:
    code = "import sys, memory_graph_workers.tasks.vault; print('apispec' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
