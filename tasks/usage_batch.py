"""A batch of usage reports: sent together or side by side, each under its own key and with its own outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..clients.errors import IntegrationError, NotFound, TransientError
from ..clients.registry import KEYED_USAGE
from ..delivery import DeadLetter, Reason, installed
from ..delivery.messages.attempts import (
    MAYBE_DONE_AT,
    maybe_done_at,
    noting_lost,
    noting_maybe_done,
    noting_repeat_needs_keys,
    repeat_needs_keys,
    was_lost,
)
from ..delivery.worker.failures import failure
from ..schemas.usage import KeyedUsageReport
from ..tracing.context import trace_headers
from . import connections, side_by_side
from .app import REGISTRY
from .base import limits
from .failed_items import tell_failed
from .operation import KEY, task
from .parameters import payloads
from .repeats import Repeats
from .session_wait import pause_secs, waiting_headers
from .usage_counts import ACCEPTED, FAILED, ONE, count

payloads(KEYED_USAGE)


@dataclass
class Outcome:
    """The reports of a batch that are not counted: to be sent again later, early for their session, or failed."""

    repeats: Repeats
    later: list[tuple[KeyedUsageReport, TransientError]] = field(
        default_factory=list[tuple[KeyedUsageReport, TransientError]]
    )
    failed: list[tuple[KeyedUsageReport, IntegrationError]] = field(
        default_factory=list[tuple[KeyedUsageReport, IntegrationError]]
    )

    early: list[KeyedUsageReport] = field(default_factory=list[KeyedUsageReport])

    def send_all(self, reports: list[KeyedUsageReport]) -> None:
        """Add reports: in one request where the Registry takes batches, else side by side."""
        if not self.send_together(reports):
            side_by_side.each(self.send, reports)

    def send_together(self, reports: list[KeyedUsageReport]) -> bool:
        """Add reports in one request (POST /api/v1/usage/batch); returns whether the Registry took them."""
        try:
            with self.repeats.calls(report.idempotency_key for report in reports):
                errors = connections.registry().track_usage_batch(reports)
        except TransientError as error:
            self.later += [(report, error) for report in reports]
            return True
        except IntegrationError as error:
            self.failed += [(report, error) for report in reports]
            return True
        for report, error in zip(reports, errors or (), strict=bool(errors)):
            self.note(report, error)
        return errors is not None

    def send(self, report: KeyedUsageReport) -> None:
        """Add one report (POST /api/v1/usage)."""
        try:
            with self.repeats.calls([report.idempotency_key]):
                connections.registry().track_usage(report, idempotency_key=report.idempotency_key)
        except IntegrationError as error:
            self.note(report, error)

    def note(self, report: KeyedUsageReport, error: IntegrationError | None) -> None:
        """Note what a report got."""
        if isinstance(error, TransientError):
            self.later.append((report, error))
        elif isinstance(error, NotFound) and limits.usage_waits_for_session_secs:
            self.early.append(report)
        elif error is not None:
            self.failed.append((report, error))

    @property
    def left(self) -> list[KeyedUsageReport]:
        """All reports that are not counted."""
        return [*self.early, *(report for report, _ in (*self.failed, *self.later))]


@task("registry.track_usage_batch")
def track_usage_batch(self: Any, reports: list[KeyedUsageReport]) -> None:
    """Add usage reports, each under its own idempotency key (if absent, derived from this task's id).

    They go in one request where the Registry takes batches, else side by side. Only reports that got no usable response
    are sent again. A report that fails for good becomes a dead letter of its own, a `track_usage` that can be replayed;
    one whose session is not registered yet becomes a `track_usage` that waits. If the Registry does not deduplicate by
    key, all reports of a batch whose worker is killed in the middle become dead letters, for some may be counted.
    """
    outcome = Outcome(Repeats(self))
    outcome.send_all(reports)
    count(ACCEPTED, len(reports) - len(outcome.left))
    if not outcome.left:
        return
    # Now, in case a letter cannot be kept: what is counted is not sent again.
    _send_next_with(self, outcome.repeats, outcome.left)
    _keep_all(self, outcome.failed)
    for report in outcome.early:
        _let_wait(self, report)
    _send_next_with(self, outcome.repeats, [report for report, _ in outcome.later])
    if not outcome.later:
        return
    if any(error.maybe_done for _, error in outcome.later):
        self.request.headers = noting_maybe_done(self.request.headers)
    if self.request.retries < self.max_retries:
        raise self.longest_wait([error for _, error in outcome.later])
    held = Outcome(outcome.repeats)
    held.later = [(report, error) for report, error in outcome.later if not self.spends_attempt(error)]
    _keep_all(self, [(report, error) for report, error in outcome.later if self.spends_attempt(error)])
    if held.later:
        _send_next_with(self, held.repeats, held.left)
        raise self.longest_wait([error for _, error in held.later])


def _send_next_with(self: Any, repeats: Repeats, reports: list[KeyedUsageReport]) -> None:
    """Let the next attempt send only these reports, and know which of them may be counted."""
    repeats.keep(self, [report.idempotency_key for report in reports])
    self.request.update(args=[], kwargs={"reports": [KEYED_USAGE.as_json(report) for report in reports]})


def _let_wait(self: Any, report: KeyedUsageReport) -> None:
    """Send the report as a task of its own, whose id is its key: it waits by itself, with attempts of its own."""
    written = KEYED_USAGE.as_json(report)
    key = written.pop(KEY)
    parameters = {"report": written, KEY: key}
    headers = {**_earlier(self, key), **waiting_headers()}
    self.app.tasks[ONE].send_checked(parameters, task_id=key, countdown=pause_secs(0), headers=headers)


def _earlier(self: Any, key: str) -> dict[str, Any]:
    """Return what the batch's headers say of one report, for the headers of its own task."""
    since = maybe_done_at(self.request.headers)
    headers = {} if since is None else {MAYBE_DONE_AT: since}
    if was_lost(self.request.headers):
        return noting_lost(headers)
    return noting_repeat_needs_keys(headers, {key} & repeat_needs_keys(self.request.headers))


def _keep_all(self: Any, failed: Sequence[tuple[KeyedUsageReport, IntegrationError]]) -> None:
    """Make a dead letter of each of these reports, and say so in one line."""
    if failed and self.request.is_eager:
        raise failed[0][1]  # no worker (task_always_eager): its sender is told, and no letter is kept
    for report, error in failed:
        _keep(self, report, error)
    count(FAILED, len(failed))
    look = f"Each is a dead letter: mgw dead list --task {ONE}; then replay or purge them"
    tell_failed("usage report", [str(error) for _, error in failed], "the others are counted or tried again", look)


def _keep(self: Any, report: KeyedUsageReport, error: IntegrationError) -> None:
    written = KEYED_USAGE.as_json(report)
    key = written.pop(KEY)
    earlier = {**trace_headers(), **_earlier(self, key)}  # a replay is seen in the trace of this batch
    reason = Reason.ATTEMPTS_EXHAUSTED if isinstance(error, TransientError) else None
    letter = DeadLetter(
        id=key,
        queue=REGISTRY,
        task=ONE,
        attempts=self.request.retries + 1,
        payload={
            "args": [],
            "kwargs": {"report": written, KEY: key},
            **({"options": {"headers": earlier}} if earlier else {}),
        },
        **failure(error, reason),
    )
    installed(self.app).dead_letters.add(letter)
