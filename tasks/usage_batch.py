"""A batch of usage reports: sent side by side, each under its own key, and each with its own end."""

from dataclasses import dataclass, field
from typing import Any

from ..clients.errors import CircuitBreakerOpen, IntegrationError, TransientError
from ..clients.registry import KEYED_USAGE
from ..delivery.dead_letters import DeadLetter, Reason, dead_letters_of
from ..delivery.failures import failure
from ..delivery.holds import LONGEST_COUNTDOWN_SECS
from ..schemas.registry import KeyedUsageReport
from . import connections, side_by_side
from .app import HOLDS, PREFIX, REGISTRY
from .operation import KEY, task
from .parameters import carry

carry(KEYED_USAGE)

ONE = f"{PREFIX}.registry.track_usage"


@dataclass
class Outcome:
    """What became of a batch's reports: those not named here are counted."""

    later: list[tuple[KeyedUsageReport, TransientError]] = field(
        default_factory=list[tuple[KeyedUsageReport, TransientError]]
    )
    failed: list[tuple[KeyedUsageReport, IntegrationError]] = field(
        default_factory=list[tuple[KeyedUsageReport, IntegrationError]]
    )

    def send(self, report: KeyedUsageReport) -> None:
        """Add one report (POST /api/v1/usage)."""
        try:
            connections.registry().track_usage(report, idempotency_key=report.idempotency_key)
        except TransientError as error:
            self.later.append((report, error))
        except IntegrationError as error:
            self.failed.append((report, error))

    @property
    def left(self) -> list[KeyedUsageReport]:
        """The reports that are not counted."""
        return [report for report, _ in (*self.failed, *self.later)]

    @property
    def reason_to_wait(self) -> TransientError:
        """The error that asks for the longest wait; a refusal by the breaker, which spends no attempt, only where
        there is no other."""
        errors = [error for _, error in self.later]
        return max(errors, key=lambda error: (not isinstance(error, CircuitBreakerOpen), error.retry_after_secs or 0.0))


@task("registry.track_usage_batch")
def track_usage_batch(self: Any, reports: list[KeyedUsageReport]) -> None:
    """Add usage reports side by side, each under its own idempotency key (absent: made of this task's id).

    Only reports that got no usable answer are sent again. One that fails for good is a dead letter by itself, as a
    `track_usage` that can be replayed. Where the registry does not honour keys, a batch whose worker is killed in
    the middle counts again what it had counted.
    """
    outcome = Outcome()
    side_by_side.each(outcome.send, reports)
    if not outcome.left:
        return
    _send_next_with(self, outcome.left)  # should a letter not be kept: what is counted is not sent again
    for report, error in outcome.failed:
        _keep(self, report, error)
    _send_next_with(self, [report for report, _ in outcome.later])
    if not outcome.later:
        return
    if self.request.retries < self.max_retries:
        raise outcome.reason_to_wait
    held = Outcome()
    for report, error in outcome.later:
        if _spends_no_attempt(self, error):
            held.later.append((report, error))
        else:
            _keep(self, report, error)
    if held.later:
        _send_next_with(self, held.left)
        raise held.reason_to_wait


def _spends_no_attempt(self: Any, error: TransientError) -> bool:
    """Whether the task base sends again after the last attempt: where queues are held, and there is a second one."""
    asks_long = (error.retry_after_secs or 0.0) > LONGEST_COUNTDOWN_SECS
    return bool(HOLDS and self.max_retries) and (asks_long or isinstance(error, CircuitBreakerOpen))


def _send_next_with(self: Any, reports: list[KeyedUsageReport]) -> None:
    """Give the next attempt these reports alone."""
    self.request.update(args=[], kwargs={"reports": [KEYED_USAGE.as_json(report) for report in reports]})


def _keep(self: Any, report: KeyedUsageReport, error: IntegrationError) -> None:
    written = KEYED_USAGE.as_json(report)
    key = written.pop(KEY)
    reason = Reason.ATTEMPTS_EXHAUSTED if isinstance(error, TransientError) else None
    letter = DeadLetter(
        id=key,
        queue=REGISTRY,
        task=ONE,
        attempts=self.request.retries + 1,
        payload={"args": [], "kwargs": {"report": written, KEY: key}},
        **failure(error, reason),
    )
    dead_letters_of(self.app).add(letter)
