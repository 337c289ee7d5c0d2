"""What later attempts and replays of a task know of earlier ones, in two headers that answer different questions.

`maybe_done_at`: since when may the task have taken effect, whatever was believed of its service? A letter's age counts
from then, and its task is not sent with other parameters. A replay keeps it, also one that a person insists on.
`repeat_needs_keys`: which of the task's calls, named by idempotency key, may have been done while their service was
believed to honour keys? A batch has many. Such a call is not sent while keys are not believed; a person may insist.
It is `true` if an attempt was lost with its process: any call may have been done, and what was believed is not known.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from ..timestamps import now

MAYBE_DONE_AT = "maybe_done_at"  # in seconds since 1970
REPEAT_NEEDS_KEYS = "repeat_needs_keys"  # keys, or true; an error says it of its call in a property of this name


def may_have_taken_effect(error: Any) -> bool:
    """Whether the attempt that failed so may have taken effect; an error may say so itself (`maybe_done`)."""
    said = getattr(error, "maybe_done", None)
    return not is_refusal(getattr(error, "status", None)) if said is None else bool(said)


def is_refusal(status: Any) -> bool:
    """Whether a service refused a call (4xx), so that nothing came of it."""
    return isinstance(status, int) and 400 <= status < 500


def maybe_done_at(headers: Mapping[str, Any] | None) -> float | None:
    """When an attempt first ended that may have taken effect, or None where none is known."""
    found = (headers or {}).get(MAYBE_DONE_AT)
    return float(found) if isinstance(found, int | float) and 0 < found < 1e11 else None


def noting_maybe_done(headers: Mapping[str, Any] | None, moment: float | None = None) -> dict[str, Any]:
    """Return the headers with the time since when an attempt may have taken effect: the earliest that is known."""
    known, moment = maybe_done_at(headers), now().timestamp() if moment is None else moment
    return {**(headers or {}), MAYBE_DONE_AT: round(moment if known is None else min(known, moment), 3)}


def repeat_needs_keys(headers: Mapping[str, Any] | None) -> set[str]:
    """Return the keys of the calls that are only safe to repeat while keys are believed."""
    given: Any = (headers or {}).get(REPEAT_NEEDS_KEYS)
    return {key for key in cast("list[Any]", given) if isinstance(key, str)} if isinstance(given, list) else set()


def was_lost(headers: Mapping[str, Any] | None) -> bool:
    """Whether an attempt was lost with its process, and may have made any of the task's calls."""
    return (headers or {}).get(REPEAT_NEEDS_KEYS) is True


def noting_lost(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the headers of a message that an attempt was lost with."""
    return {**(headers or {}), REPEAT_NEEDS_KEYS: True}


def noting_repeat_needs_keys(headers: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    """Return the headers with these keys alone as those whose calls are only safe to repeat while keys are believed."""
    others = {name: value for name, value in (headers or {}).items() if name != REPEAT_NEEDS_KEYS}
    known = sorted(keys)
    return {**others, REPEAT_NEEDS_KEYS: known} if known else others
