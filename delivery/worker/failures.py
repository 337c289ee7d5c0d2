"""What a dead letter says of an error: as much as may be shown."""

from typing import Any

from celery.exceptions import TimeLimitExceeded

from ..dead_letters.store import Reason
from ..redaction import is_showable, name_of, safe_text

_FACTS = ("service", "operation", "status", "request_id", "keys_believed", "keys_kept_days")


def failure(error: BaseException | None, reason: Reason | None = None) -> dict[str, Any]:
    """The fields of a dead letter that an error decides."""
    known = error if error is not None and is_showable(error) else None
    return {
        "reason": reason or _reason(error),
        "error": name_of(error) if error else None,
        "message": safe_text(error) if error else "",
        "fields": _fields(known),
        **{name: getattr(known, name, None) for name in _FACTS},
    }


def _fields(known: BaseException | None) -> dict[str, Any] | list[Any] | None:
    """What a showable error says in fields: `messages` of a wrong payload, or `fields`."""
    given = (getattr(known, name, None) for name in ("messages", "fields"))
    return next((found for found in given if found and isinstance(found, dict | list)), None)


def _reason(error: BaseException | None) -> Reason:
    """Why a task has failed for good; an error may say so itself (`dead_letter_reason`)."""
    if isinstance(error, TimeLimitExceeded):
        return Reason.HARD_TIME_LIMIT
    return Reason(getattr(error, "dead_letter_reason", Reason.FAILED))
