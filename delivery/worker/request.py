"""The worker's side of a task: when the task fails for good, write its dead letter first, then acknowledge it.

Celery acknowledges a task that failed, expired or hit its hard time limit and keeps no trace of it, and it
redelivers a task that kills its child process for ever. All of these pass through here, in the worker's parent
process, before the message is acknowledged.
"""

import dataclasses
from typing import Any, cast

from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError
from celery.signals import task_failure
from celery.utils.log import get_logger
from celery.worker import request as plain
from celery.worker import state
from redis.exceptions import RedisError

from ..celery_types import Message
from ..connections.replies import AWAY, summary_of
from ..dead_letters.store import DeadLetter, DeadLetters, Reason
from ..messages.call_options import with_options
from ..messages.envelope import call_of_body
from ..messages.trace import trace_id_of
from ..redaction import HIDDEN, original, redact_info, size_of
from ..settings import installed
from .failures import failure

MAX_LOSSES = 3

_PlainRequest: Any = plain.Request  # what is overridden here is not in the stubs

logger = get_logger(__name__)


class Request(_PlainRequest):
    """An in-flight task, whose failure is stored before its message is acknowledged."""

    def __init__(self, message: Message, **options: Any) -> None:
        super().__init__(message, **options)
        # The sender chooses argsrepr and shadow freely, and they may quote content: keep them out of events and logs.
        self.name = self.type
        self._argsrepr, self._kwargsrepr = size_of(message), HIDDEN
        self._request_dict.update(argsrepr=self._argsrepr, kwargsrepr=HIDDEN, shadow=None)

    @property
    def dead_letters(self) -> DeadLetters:
        """The store for this task's failure."""
        return installed(self.app).dead_letters

    @property
    def _facts(self) -> dict[str, str]:
        """What a structured log line about this task carries beside its text."""
        named = trace_id_of(self.request_dict)
        return {"task_id": self.id, "task_name": self.name, **({"trace_id": named} if named else {})}

    @property
    def attempts(self) -> int:
        """The number of attempts so far, this one included."""
        return int(self.request_dict.get("retries") or 0) + 1

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Return what remote control and Flower show: the size of the arguments, never the arguments."""
        return cast("dict[str, Any]", super().info(safe=True))

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note when a child took the task, by the monotonic clock, and that it cannot be put back as if it were new."""
        self.accepted_at = time_accepted
        self.message.started = True
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Store a final failure, then let Celery handle it."""
        error = original(exc_info)
        if isinstance(error, Terminated | Reject | Ignore | Retry):
            return super().on_failure(redact_info(exc_info), send_failed_event, return_ok)
        if isinstance(error, WorkerLostError):
            return self._on_lost_child(exc_info, error)
        if isinstance(error, AWAY):
            # Raised by Celery after the task's code: it could not send the result, the retry or the chain's next task.
            return self._leave_to_broker(
                f"broker or result store could not be reached, or did not keep it for certain ({summary_of(error)})"
            )
        if not self._kept(_letter(self, error)):
            return None
        return super().on_failure(redact_info(exc_info), send_failed_event, return_ok)

    def on_retry(self, exc_info: Any) -> Any:
        """Acknowledge a task that was sent again, with a redacted event."""
        return super().on_retry(redact_info(exc_info))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Store a task that was killed at its hard time limit; Celery only logs it."""
        if soft:
            return super().on_timeout(soft, timeout)
        if state.should_terminate:  # a worker that is being killed gives its tasks back
            return state.task_ready(self)
        # Usually the pool has reported it as a failure already.
        if self.acknowledged or self._kept(_letter(self, TimeLimitExceeded(timeout))):
            super().on_timeout(soft, timeout)
        return None

    def acknowledge(self) -> None:
        """Acknowledge, and reset the count of lost children: this time the task did not take its child down."""
        if not self.acknowledged and self.delivery_info["redelivered"]:
            try:
                self.dead_letters.forget_losses(self.id)
            except RedisError as error:
                logger.warning(
                    "Count of lost children of %s not reset (%s)", self.id, summary_of(error), extra=self._facts
                )
        super().acknowledge()

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  Celery's name
        """Send an event, without the result, and with the task's name: whoever counts need not remember ids."""
        if "result" in fields:
            fields["result"] = HIDDEN
        super().send_event(type, **{"name": self.name, **fields})

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """Store a task that expired before it ran; a revoked task is not a failure."""
        if expired and not self._kept(_letter(self, None, Reason.EXPIRED)):
            self._already_revoked = True
            return
        super()._announce_revoked(reason, terminated, signum, expired)

    def _on_lost_child(self, exc_info: Any, error: WorkerLostError) -> None:
        """Put a task whose child process died back on its queue; give it up after three such losses."""
        if state.should_terminate:  # the worker itself kills the children
            return super().on_failure(exc_info, return_ok=True)
        try:
            losses = self.dead_letters.count_loss(self.id)
        except RedisError as away:
            return self._leave_to_broker(f"its loss could not be counted ({summary_of(away)})")
        if losses < MAX_LOSSES:
            logger.warning(
                "Task %s[%s] took its child process down (%d of %d); it runs again",
                *(self.name, self.id, losses, MAX_LOSSES),
                extra=self._facts,
            )
            state.task_ready(self)
            return self.reject(requeue=True)
        letter = dataclasses.replace(_letter(self, error, Reason.LOST_WORKER), attempts=losses)
        return self._give_up(exc_info, error) if self._kept(letter) else None

    def _give_up(self, exc_info: Any, error: WorkerLostError) -> None:
        """End a task that keeps taking its child process down: store its result, acknowledge it, send its event."""
        state.task_ready(self)
        self.task.backend.mark_as_failure(self.id, error, request=self._context, store_result=self.store_errors)
        self.acknowledge()
        task_failure.send(
            sender=self.task, task_id=self.id, exception=error, args=(), kwargs={}, traceback=None, einfo=exc_info
        )
        self.send_event("task-failed", exception=repr(error), traceback="")

    def _kept(self, letter: DeadLetter) -> bool:
        """Store the letter, if the task wants one; return whether the message may be acknowledged now."""
        if not getattr(self.task, "keep_dead_letter", True):
            return True
        try:
            self.dead_letters.add(letter)
        except RedisError as error:
            self._leave_to_broker(f"its failure could not be kept ({summary_of(error)})")
            return False
        logger.error(
            "Task %s[%s] is among the dead letters: %s. Look at it: mgw dead show %s; then replay or purge it",
            *(self.name, self.id, f"{letter.reason}, {letter.message}" if letter.message else letter.reason, self.id),
            extra={**self._facts, "request_id": letter.request_id},
        )
        return True

    def _leave_to_broker(self, why: str) -> None:
        """Leave the message to the broker, which redelivers it after the visibility timeout."""
        logger.error("Task %s[%s] will run again: %s", self.name, self.id, why, extra=self._facts)
        state.task_ready(self)
        if self.acknowledged:
            return
        qos = getattr(self.message.channel, "qos", None)
        if hasattr(qos, "abandon"):
            cast(Any, qos).abandon(self.message.delivery_tag)
            self.acknowledged = True
        else:
            self.reject(requeue=True)


def _payload(request: Request) -> dict[str, Any]:
    headers = {**request.message.headers, **{name: request.request_dict.get(name) for name in ("eta", "expires")}}
    priority = (request.message.properties or {}).get("priority")
    return with_options(call_of_body(list(request._payload)), headers, priority)


def _letter(request: Request, error: BaseException | None, reason: Reason | None = None) -> DeadLetter:
    """Return the dead letter of a failure: the redacted error and the arguments."""
    return DeadLetter(
        id=request.id,
        queue=str(request.delivery_info.get("routing_key") or ""),
        task=request.name,
        attempts=request.attempts,
        payload=_payload(request),
        **failure(error, reason),
    )
