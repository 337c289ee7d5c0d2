"""What a dead letter says of an error: as much as may be shown."""

from typing import Any, cast

from celery.exceptions import TimeLimitExceeded

from ..clients.errors import IntegrationError, TransientError, UncertainOutcome
from ..schemas.base import ValidationError
from .dead_letters import Reason
from .redaction import name_of, safe_text


def failure(error: BaseException | None, reason: Reason | None = None) -> dict[str, Any]:
    """The fields of a dead letter that an error decides."""
    ours = error if isinstance(error, IntegrationError) else IntegrationError()
    return {
        "reason": reason or _reason(error),
        "error": name_of(error) if error else None,
        "message": safe_text(error) if error else "",
        "fields": cast(Any, error.messages) if isinstance(error, ValidationError) else None,
        "service": ours.service,
        "operation": ours.operation,
        "status": ours.status,
        "request_id": ours.request_id,
    }


def _reason(error: BaseException | None) -> Reason:
    """Why a task has failed for good."""
    if isinstance(error, ValidationError):
        return Reason.INVALID_PAYLOAD
    if isinstance(error, UncertainOutcome):
        return Reason.UNCERTAIN
    if isinstance(error, TimeLimitExceeded):
        return Reason.HARD_TIME_LIMIT
    return Reason.ATTEMPTS_EXHAUSTED if isinstance(error, TransientError) else Reason.FAILED
