"""How deep a body nests is found in one pass, before it is parsed."""

import gc
import json
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_graph_workers.services.web.request_body import _is_deeper

TEXTS = st.text(st.sampled_from('[]{}"\\x,:é'), max_size=8)
VALUES = st.recursive(st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))
MANY = 2_500_000


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_=st.booleans())
def test_the_pass_over_the_brackets_agrees_with_the_parsed_value(value, indent, ascii_):
    text, deep = json.dumps(value, indent=indent, ensure_ascii=ascii_).encode(), depth(value)
    assert not _is_deeper(text, deep)
    assert deep == 0 or _is_deeper(text, deep - 1)


@given(st.binary(max_size=200) | st.text(st.sampled_from('[]{}"\\'), max_size=200).map(str.encode))
def test_what_is_no_json_is_judged_too(text):
    assert _is_deeper(text, 200) is False


# Made by the test that needs one: every process of a parallel run imports this module.
LONG_BODIES = {
    "lists in a list": lambda: b"[" + b"[]," * MANY + b"[]]",
    "objects in a list": lambda: b'[{"a":[]}' + b',{"a":[]}' * 800_000 + b"]",
    "escaped quotes": lambda: b'"' + b'\\"' * MANY,
    "empty texts": lambda: b'""' * MANY,
    "backslashes": lambda: b'"' + b"\\" * MANY,
    "brackets in a text": lambda: b'"' + b"[" * MANY,
    "closing brackets": lambda: b"]" * MANY + b"[" * 100,
}
DEEP_BODIES = {
    "opening brackets": lambda: b"[" * (3 * MANY),
    "a second value": lambda: b"[" * 100 + b"]" * 100 + b"," + b"[" * 101,
}


@pytest.mark.parametrize("kind", [*LONG_BODIES, *DEEP_BODIES])
def test_no_body_of_megabytes_takes_seconds(kind):
    body = (LONG_BODIES | DEEP_BODIES)[kind]()
    began = time.process_time()
    assert _is_deeper(body, 100) is (kind in DEEP_BODIES)
    assert time.process_time() - began < 2  # a tenth of it to a quarter on a machine of our own


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")
def test_an_archive_of_millions_of_empty_lists_takes_no_more_time_than_its_size(start, new_id):
    vault = start("vault")
    process = psutil.Process(vault.process.pid)
    workers = process.children()
    before = sum(one.cpu_times().user for one in workers)
    data = "[" + "[]," * MANY + "[]]"
    body = f'{{"id": "{new_id}", "session_id": "s", "retention_days": 1, "data": {data}}}'
    assert vault.post("/api/v1/archive", body).status == 201
    used = sum(one.cpu_times().user for one in workers) - before
    # Against what parsing alone takes at the machine's speed now: six times as long, and four times that was too much.
    assert used < 14 * secs_of_parsing(body)


def secs_of_parsing(body):
    gc.disable()
    began = time.process_time()
    json.loads(body)
    secs = time.process_time() - began
    gc.enable()
    return secs
