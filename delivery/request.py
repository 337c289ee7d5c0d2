"""What the worker's parent does when a task has ended badly: the dead letter first, then the acknowledgement.

Celery acknowledges a failed task, one past its hard time limit and an expired one without a trace, and sends
one that kills its pool child round for ever. All of these pass through here, in the parent, before the
message is acknowledged.
"""

import dataclasses
from typing import Any, cast

from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError
from celery.signals import task_failure
from celery.utils.log import get_logger
from celery.worker import request as plain
from celery.worker import state
from redis.exceptions import RedisError

from .away import AWAY
from .dead_letters import DeadLetter, DeadLetters, Reason
from .envelope import call_of
from .failures import failure
from .installation import installed
from .redaction import HIDDEN, name_of, original, redact_info, size_of

MOST_LOSSES = 3

_PlainRequest: Any = plain.Request  # what is overridden here is not in the stubs

logger = get_logger(__name__)


class Request(_PlainRequest):
    """A task in the worker's hand, whose failure is kept before its message is acknowledged."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        # Senders describe the arguments, and name the task, as they like: in events and logs neither is repeated.
        self.name = self.type
        self._argsrepr, self._kwargsrepr = size_of(message), HIDDEN
        self._request_dict.update(argsrepr=self._argsrepr, kwargsrepr=HIDDEN, shadow=None)

    @property
    def dead_letters(self) -> DeadLetters:
        """Where this task's failure is kept."""
        return installed(self.app).dead_letters

    @property
    def attempts(self) -> int:
        """How many attempts there were, this one included."""
        return int(self.request_dict.get("retries") or 0) + 1

    def info(self, safe: bool = False) -> dict[str, Any]:
        """What remote control and Flower show of the task: the size of its arguments."""
        return cast("dict[str, Any]", super().info(safe=True))

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note when a child took the task, by a clock that nobody sets."""
        self.accepted_at = time_accepted
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Keep a final failure, then let Celery do what it does."""
        error = original(exc_info)
        if isinstance(error, Terminated | Reject | Ignore | Retry):
            return super().on_failure(redact_info(exc_info), send_failed_event, return_ok)
        if isinstance(error, WorkerLostError):
            return self._on_lost_child(exc_info, error)
        if isinstance(error, AWAY):
            # Celery's own, after the task's code: it could not tell result, retry or the chain's next step.
            return self._let_go(f"broker or results were away when it ended ({name_of(error)})")
        if not self._kept(_letter(self, error)):
            return None
        return super().on_failure(redact_info(exc_info), send_failed_event, return_ok)

    def on_retry(self, exc_info: Any) -> Any:
        """Acknowledge what was sent anew; the event says no more than it may."""
        return super().on_retry(redact_info(exc_info))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Keep a task that was killed at its hard time limit; Celery only logs it."""
        if soft:
            return super().on_timeout(soft, timeout)
        if state.should_terminate:  # a worker that is being killed hands its tasks back
            return state.task_ready(self)
        # The pool has mostly reported it as a failure before.
        if self.acknowledged or self._kept(_letter(self, TimeLimitExceeded(timeout))):
            super().on_timeout(soft, timeout)
        return None

    def acknowledge(self) -> None:
        """Acknowledge, and start the count of lost children anew: the task has ended in an orderly way."""
        if not self.acknowledged and self.delivery_info["redelivered"]:
            try:
                self.dead_letters.forget_losses(self.id)
            except RedisError as error:
                logger.warning("Losses of %s not forgotten (%s)", self.id, name_of(error))
        super().acknowledge()

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  Celery's name
        """Send an event, without the result."""
        if "result" in fields:
            fields["result"] = HIDDEN
        super().send_event(type, **fields)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """Keep what expired unseen; what a person revoked is not a failure."""
        if expired and not self._kept(_letter(self, None, Reason.EXPIRED)):
            self._already_revoked = True
            return
        super()._announce_revoked(reason, terminated, signum, expired)

    def _on_lost_child(self, exc_info: Any, error: WorkerLostError) -> None:
        """Send a task round again whose child died, and give it up when it has taken several with it."""
        if state.should_terminate:  # we kill the children ourselves
            return super().on_failure(exc_info, return_ok=True)
        try:
            losses = self.dead_letters.count_loss(self.id)
        except RedisError as away:
            return self._let_go(f"its loss could not be counted ({name_of(away)})")
        if losses < MOST_LOSSES:
            logger.warning("Task %s[%s] took its pool child down (%d of %d)", self.name, self.id, losses, MOST_LOSSES)
            state.task_ready(self)
            return self.reject(requeue=True)
        letter = dataclasses.replace(_letter(self, error, Reason.LOST_WORKER), attempts=losses)
        return self._give_up(exc_info, error) if self._kept(letter) else None

    def _give_up(self, exc_info: Any, error: WorkerLostError) -> None:
        """End a task that keeps taking its child down: result, event and acknowledgement."""
        state.task_ready(self)
        self.task.backend.mark_as_failure(self.id, error, request=self._context, store_result=self.store_errors)
        self.acknowledge()
        task_failure.send(
            sender=self.task, task_id=self.id, exception=error, args=(), kwargs={}, traceback=None, einfo=exc_info
        )
        self.send_event("task-failed", exception=repr(error), traceback="")

    def _kept(self, letter: DeadLetter) -> bool:
        """Whether the letter is in the store, or not wanted; else the message must not be acknowledged."""
        if not getattr(self.task, "keep_dead_letter", True):
            return True
        try:
            self.dead_letters.add(letter)
        except RedisError as error:
            self._let_go(f"its failure could not be kept ({name_of(error)})")
            return False
        logger.error(
            "Task %s[%s] is among the dead letters: %s, %s", self.name, self.id, letter.reason, letter.message or "-"
        )
        return True

    def _let_go(self, why: str) -> None:
        """Leave the message to the broker, which delivers it again after the visibility timeout."""
        logger.error("Task %s[%s] will run again: %s", self.name, self.id, why)
        state.task_ready(self)
        if self.acknowledged:
            return
        qos = getattr(self.message.channel, "qos", None)
        if hasattr(qos, "let_go"):
            cast(Any, qos).let_go(self.message.delivery_tag)
            self.acknowledged = True
        else:
            self.reject(requeue=True)


def _letter(request: Request, error: BaseException | None, reason: Reason | None = None) -> DeadLetter:
    """What is kept of a failure: the error as far as it may be shown, and the arguments."""
    return DeadLetter(
        id=request.id,
        queue=str(request.delivery_info.get("routing_key") or ""),
        task=request.name,
        attempts=request.attempts,
        payload=call_of(list(request._payload)),
        **failure(error, reason),
    )
