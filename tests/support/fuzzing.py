"""How long fuzzing looks, and what odd values are made of."""

from collections.abc import Callable
from functools import reduce
from typing import Any

from hypothesis import HealthCheck, example, settings
from hypothesis import strategies as st
from support.lean import lean

LONG = "fuzz"  # the profile of `make fuzz`

settings.register_profile(LONG)


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


# Text as a foreign producer may send it: controls, bidi marks, half characters, and what some parser makes more of.
ODD_TEXTS = [
    "",
    ".",
    "..",
    "a\nb",
    "\x00",
    "\x85",
    "\u202e",
    "\ud800",
    "x" * 257,
    "[/7]",
    "%2e%2e",
    "0",
    "null",
    "__type__",
]
ODD_TIMES = [
    "2026-01-31T12:00:00Z",
    "0001-01-02T00:00:00Z",
    "9999-12-31T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-01-31T12:00:60Z",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00:00.123456789012Z",
    "2026-01-31T12:00:00+99:99",
]
ODD_NUMBERS = [0, -1, 1.0, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**400, 1e308]
TEXT = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(ODD_TEXTS)
TIMES = st.datetimes().map(lambda time: time.isoformat() + "Z") | st.sampled_from(ODD_TIMES)
NUMBERS = st.integers() | st.floats() | st.sampled_from(ODD_NUMBERS)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | TIMES
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
) | st.sampled_from([50, 90, 96, 97, 98, 99, 100, 101, 200]).map(nested)


def objects(names: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these members, each as it should be, or anything else, and perhaps one more."""
    members = {name: st.just(right) | JSON for name, right in names.items()}
    right = st.fixed_dictionaries({}, optional=members)
    whole = st.fixed_dictionaries({name: st.just(value) for name, value in names.items()})
    one_odd = st.tuples(whole, st.sampled_from(sorted(names)), JSON).map(lambda made: {**made[0], made[1]: made[2]})
    return one_odd | right | st.tuples(whole, TEXT, JSON).map(lambda made: {**made[0], made[1]: made[2]}) | whole


def always(odd_values: list[Any]) -> Callable[[Any], Any]:
    """Try these values of `odd` besides those that are drawn."""
    return lambda test: reduce(lambda tried, odd: example(odd=odd)(tried), odd_values, test)


def examples(count: int) -> Callable[[Any], Any]:
    """So many examples, the same in each run (in `make fuzz`, ten times as many, and others), each of them lean."""
    is_long = settings.get_current_profile_name() == LONG
    looks = settings(
        max_examples=count * (10 if is_long else 1),
        derandomize=not is_long,
        database=None,  # what was found is kept as an @example, where everybody has it
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return lambda test: looks(lean(test))
