"""What later attempts and replays of a task know of earlier ones: since when one may have taken effect."""

from collections.abc import Mapping
from typing import Any

from ..timestamps import now

MAYBE_DONE_AT = "maybe_done_at"  # a header that retries and replays keep, in seconds since 1970


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
