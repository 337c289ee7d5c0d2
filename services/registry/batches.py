"""Batches in one transaction, whose entries fail alone: each gets what it would get by itself."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from ...schemas.base import ValidationError
from ...schemas.registry import BatchOutcome, KeyedUsageReport, KeyedUsageReportSchema, StatusChange, StatusChangeSchema
from .outcomes import Outcome, failure, invalid
from .usage import Sent

T = TypeVar("T")
_KEY = "idempotency_key"
_KEYED_USAGE, _STATUS_CHANGE = KeyedUsageReportSchema(), StatusChangeSchema()


def each(payloads: list[Any], read: Callable[[Any], T], work: Callable[[list[T]], list[Outcome]]) -> BatchOutcome:
    """Read entries one by one, let `work` do those that can be read, and say what became of all."""
    entries = [_read_or_refuse(payload, read) for payload in payloads]
    readable = [entry for entry in entries if not isinstance(entry, Outcome)]
    done = iter(work(readable) if readable else [])
    outcomes = [entry if isinstance(entry, Outcome) else next(done) for entry in entries]
    failed = [failure(place, outcome) for place, outcome in enumerate(outcomes) if not outcome.is_done]
    return BatchOutcome(len(payloads) - len(failed), failed)


def keyed_usage(payload: Any) -> Sent:
    """Read a usage report with its key.

    Raises: ValidationError naming each field.
    """
    if isinstance(payload, Mapping) and _KEY not in payload:
        raise ValidationError({_KEY: ["Missing data for required field."]})
    report = cast("KeyedUsageReport", _KEYED_USAGE.receive(payload, ""))
    fields = {name: value for name, value in cast("dict[str, Any]", payload).items() if name != _KEY}
    return Sent(report, fields, report.idempotency_key)


def status_change(payload: Any) -> StatusChange:
    """Read a session's status to set.

    Raises: ValidationError naming each field.
    """
    return _STATUS_CHANGE.read(payload)


def _read_or_refuse(payload: Any, read: Callable[[Any], T]) -> T | Outcome:
    try:
        return read(payload)
    except ValidationError as error:
        return invalid(error.messages)
