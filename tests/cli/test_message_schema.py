"""What the contract says of Celery's part of a message: the worker takes all that it allows."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator
from memory_graph_workers.cli.schema.asyncapi import document
from memory_graph_workers.delivery.messages.envelope import Malformed, check_arguments, check_task, read_envelope

SCHEMAS = document()["components"]["schemas"]
HEADERS = {"task": "memory_graph.registry.get_session", "id": "t-1"}
ITEM: dict[str, Any] = {
    "body": base64.b64encode(b"[[], {}, {}]").decode(),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": HEADERS,
    "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"},
}
MOMENT, SIGNATURE = "2026-01-31T12:00:00Z", {"task": "memory_graph.registry.get_session", "kwargs": {}}
VALUES: list[Any] = [None, True, False, -1, 0, 1, 2**31, 0.5, "x", "a b", "", [], [1, None], ["x", "y"], {}, MOMENT]
VALUES += [[SIGNATURE], SIGNATURE, [{"task": "a b"}], [{}], {"exchange": "x"}, {"exchange": 1}]


def allowed(schema: str, start: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The start, and it with each part made another, as far as the schema allows that."""
    judge = Draft7Validator({"components": {"schemas": SCHEMAS}, "$ref": f"#/components/schemas/{schema}"})
    dates = {name for name, part in SCHEMAS[schema]["properties"].items() if part.get("format") == "date-time"}
    for name in SCHEMAS[schema]["properties"]:
        # That a text is a moment is said by `format`, which judges nothing.
        values = [None, MOMENT] if name in dates else VALUES
        yield from (changed for value in values if judge.is_valid(changed := {**start, name: value}))


def test_headers_that_are_allowed_are_taken() -> None:
    taken = list(allowed("TaskHeaders", HEADERS))
    for headers in taken:
        check_task(headers)
    assert {name for headers in taken for name in headers} == set(SCHEMAS["TaskHeaders"]["properties"])


def test_what_follows_a_task_is_taken_where_it_is_allowed() -> None:
    taken = list(allowed("Following", {}))
    for following in taken:
        check_arguments([[], {}, following])
    assert [SIGNATURE] in [following.get("chain") for following in taken]


def test_list_items_that_are_allowed_are_taken() -> None:
    for item in allowed("ListItem", ITEM):
        read_envelope(json.dumps(item).encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [("task", "a b"), ("id", None), ("root_id", 1), ("retries", -1), ("timelimit", [1]), ("ignore_result", "no")],
)
def test_a_wrong_header_is_refused_by_both(name: str, value: Any) -> None:
    headers = {**HEADERS, name: value}
    assert not Draft7Validator(SCHEMAS["TaskHeaders"]).is_valid(headers)
    with pytest.raises(Malformed, match=name):
        check_task(headers)
