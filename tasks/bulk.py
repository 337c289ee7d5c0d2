"""Sends many calls of one task at once: all are checked first, then sent in a pipeline over one connection."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import marshmallow
from kombu.exceptions import BatchPublishError, OperationalError  # pyright: ignore[reportAttributeAccessIssue]  # newer than the stubs

from ..delivery import DeliveryUncertain
from ..schemas.base import ValidationError
from ..schemas.ids import time_ordered_id
from ..tracing.spans import sending
from .app import app
from .operation import CheckedTask, PayloadTask, PlainTask

if TYPE_CHECKING:
    from ..schemas import calls as fields
    from ..schemas.registry import SessionRegistration, UsageReport
    from ..schemas.vault import ArchiveEntry, RetentionPolicy


class BrokenOff(OperationalError):
    """The connection to the broker broke while calls were sent; some may have been.

    Send all again under this error's `task_ids`: that is safe.
    """

    def __init__(self, task_ids: Sequence[str]) -> None:
        super().__init__(
            f"The connection to the broker broke: some of {len(task_ids)} calls may be sent. "
            "Send all again with this error's task_ids."
        )
        self.task_ids = list(task_ids)


# One overload for each payload: mypy checks a dict only against a type that is written out.
@overload
def enqueue_many(
    task: "PayloadTask[..., ..., Any, fields.SessionRegistrationFields]",
    calls: "Iterable[SessionRegistration | fields.SessionRegistrationFields]",
    *,
    task_ids: Sequence[str] | None = None,
    **options: Any,
) -> list[str]: ...
@overload
def enqueue_many(
    task: "PayloadTask[..., ..., Any, fields.UsageReportFields]",
    calls: "Iterable[UsageReport | fields.UsageReportFields]",
    *,
    task_ids: Sequence[str] | None = None,
    **options: Any,
) -> list[str]: ...
@overload
def enqueue_many(
    task: "PayloadTask[..., ..., Any, fields.ArchiveEntryFields]",
    calls: "Iterable[ArchiveEntry | fields.ArchiveEntryFields]",
    *,
    task_ids: Sequence[str] | None = None,
    **options: Any,
) -> list[str]: ...
@overload
def enqueue_many(
    task: "PayloadTask[..., ..., Any, fields.RetentionPolicyFields]",
    calls: "Iterable[RetentionPolicy | fields.RetentionPolicyFields]",
    *,
    task_ids: Sequence[str] | None = None,
    **options: Any,
) -> list[str]: ...
@overload
def enqueue_many(
    task: PlainTask[..., Any], calls: Iterable[Any], *, task_ids: Sequence[str] | None = None, **options: Any
) -> list[str]: ...
def enqueue_many(
    task: CheckedTask[Any], calls: Iterable[Any], *, task_ids: Sequence[str] | None = None, **options: Any
) -> list[str]:
    """Send a task once for each call, in their order, and return the tasks' ids.

    A call is what `delay` takes: keywords as a mapping, positional parameters as a tuple, or one payload.
    Raises: ValidationError by the call's index, then nothing was sent; BrokenOff or DeliveryUncertain (both are kombu's
    OperationalError) with the `task_ids` to send the same calls again, since these are the idempotency keys.
    """
    every = list(calls)
    ids = [time_ordered_id() for _ in every] if task_ids is None else list(task_ids)
    checked = _checked(task, every, ids)
    options["headers"] = {**(options.get("headers") or {})}
    try:
        # One span sends them all: every message names it.
        with sending(task.name, options["headers"]), app.producer_or_acquire() as producer, producer.batch():
            for parameters, task_id in zip(checked, ids, strict=True):
                task.send_checked(parameters, task_id=task_id, producer=producer, retry=False, **options)
    except BatchPublishError as error:
        uncertain = error.__cause__
        if isinstance(uncertain, DeliveryUncertain):
            raise DeliveryUncertain(uncertain.confirmed, uncertain.wanted, ids, uncertain.why) from error
        raise BrokenOff(ids) from error
    return ids


def _checked(task: CheckedTask[Any], calls: Sequence[Any], seeds: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    mistakes: dict[str, Any] = {}
    for index, (call, seed) in enumerate(zip(calls, seeds, strict=True)):
        try:
            found.append(task.checked(*_parts(call), seed))
        except marshmallow.ValidationError as error:
            mistakes[str(index)] = error.messages
    if mistakes:
        raise ValidationError(mistakes)
    return found


def _parts(call: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if isinstance(call, Mapping):
        return (), cast("Mapping[str, Any]", call)
    return (cast("tuple[Any, ...]", call) if isinstance(call, tuple) else (call,)), {}
