"""The tests of this folder can fail: what is wrong with a faulty reader is found, and reported."""

import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from memory_graph_workers.delivery.messages.envelope import Malformed
from support.fuzzing import JSON, examples
from support.lean import MIB, lean

FAULTY: dict[type[Exception], Callable[[Any], Any]] = {
    KeyError: lambda value: value["missing"] if isinstance(value, dict) else None,
    UnicodeEncodeError: lambda value: value.encode() if isinstance(value, str) else None,
    TypeError: lambda value: [*value, 1] < 0 if isinstance(value, list) else None,
}
GREEDY: dict[str, Callable[[], Any]] = {
    "one piece": lambda: bytearray(100 * MIB),
    "many pieces": lambda: [bytes(1000) for _ in range(100_000)],
    "unknown to Python": lambda: mmap.mmap(-1, 100 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE),
}


@pytest.mark.parametrize("error", FAULTY)
def test_an_exception_of_another_library_is_reported(error: type[Exception]) -> None:
    @given(value=JSON)
    @examples(300)
    def reads(value: Any) -> None:
        with suppress(Malformed):
            FAULTY[error](value)

    with pytest.raises(error):
        reads()


@pytest.mark.parametrize("kind", GREEDY)
def test_too_much_memory_for_some_input_is_reported(kind: str) -> None:
    @given(value=JSON)
    @examples(100)
    def reads(value: Any) -> None:
        if isinstance(value, dict):
            GREEDY[kind]()

    with pytest.raises(AssertionError, match=r"one call took (99|10[0-9]) MiB"):
        reads()


def test_memory_that_each_call_keeps_is_reported() -> None:
    kept: list[bytes] = []

    @lean
    def leaks() -> None:
        kept.append(bytes(5 * MIB))

    for _ in range(12):
        leaks()
    with pytest.raises(AssertionError, match="the calls so far keep 65 MiB"):
        leaks()


def test_garbage_is_not_kept() -> None:
    @lean
    def leaves_a_circle() -> None:
        circle: list[Any] = [bytes(5 * MIB)]
        circle.append(circle)

    for _ in range(20):
        leaves_a_circle()
