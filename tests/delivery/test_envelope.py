"""What a message must look like before Celery's code may touch it."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_graph_workers.delivery.messages.envelope import (
    Malformed,
    check_arguments,
    check_task,
    dump_for_inspection,
    is_too_deep,
    read_envelope,
)

GOOD: dict[str, Any] = {
    "body": base64.b64encode(b"[[], {}, {}]").decode(),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {"task": "t", "id": "i"},
    "properties": {
        "delivery_tag": "d",
        "delivery_info": {"exchange": "", "routing_key": "q"},
        "body_encoding": "base64",
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_opens_what_kombu_writes() -> None:
    assert read_envelope(json.dumps(GOOD).encode()) == GOOD


@given(st.binary())
def test_refuses_random_bytes_and_raises_nothing_else(item: bytes) -> None:
    with pytest.raises(Malformed):
        read_envelope(item)


@given(st.sampled_from(list(GOOD)), JSON)
def test_opens_or_refuses_an_envelope_with_any_part_changed(part: str, value: Any) -> None:
    with contextlib.suppress(Malformed):
        assert read_envelope(dump_for_inspection({**GOOD, part: value}))["body"] is not None


@given(st.dictionaries(st.sampled_from(["task", "id", "eta", "expires", "timelimit", "retries", "stamps"]), JSON))
def test_takes_or_refuses_any_headers(headers: dict[str, Any]) -> None:
    with contextlib.suppress(Malformed):
        check_task({"task": "t", "id": "i", **headers})


@given(JSON)
def test_takes_or_refuses_any_body(body: Any) -> None:
    with contextlib.suppress(Malformed):
        assert tuple(map(type, check_arguments(body))) == (list, dict)


MANY_FLAT = [{"a": ['"[{', "\\", '\\"[']}, []] * 101


@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"\\\\":', "}")])
@pytest.mark.parametrize(("level", "too_deep"), [(99, False), (100, True), (10**6, True)])
def test_measures_depth_outside_of_texts(level: int, too_deep: bool, opening: str, closing: str) -> None:
    deep = opening * level + "1" + closing * level
    assert is_too_deep(f"[{json.dumps(MANY_FLAT)}, {deep}]") == too_deep
    assert not is_too_deep(json.dumps([deep, deep + "\\", '\\"' + "[" * level]))


@given(st.text('[]{}"\\:,1', max_size=400), st.integers(0, 400))
def test_what_is_not_too_deep_can_be_read_or_refused(text: str, level: int) -> None:
    for tried in ("[" * level + text, '{"":' * level + text + "}" * level, text + "[" * level):
        try:
            found = json.loads(tried)
        except ValueError:
            continue
        assert is_too_deep(tried) == (nesting(found) > 100)


def nesting(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(nesting, inside), default=0)


def test_takes_all_that_celery_sends() -> None:
    check_task(
        {
            "task": "memory_graph.vault.archive_session",
            "id": "5f0c",
            "root_id": None,
            "eta": "2030-01-01T00:00:00.123456+00:00",
            "expires": "2030-01-01T00:00:00Z",
            "timelimit": [None, 3.5],
            "retries": 7,
            "group": None,
            "ignore_result": True,
            "stamped_headers": ["a"],
            "stamps": {"a": ["b"]},
        }
    )
