"""The worker's consumer, made to set aside what is no task of ours instead of logging and dropping it.

Plain Celery writes the whole body of such a message into its log, acknowledges it, and forgets it; what it did
not foresee ends the worker. Here it is stored first, then acknowledged, and the log says only what was wrong.
"""

import contextlib
from collections.abc import Callable
from typing import Any, cast

from celery.exceptions import NotRegistered
from celery.signals import task_rejected, task_unknown
from celery.utils.log import get_logger
from celery.utils.objects import Bunch
from celery.worker.consumer import consumer as plain
from kombu.exceptions import ContentDisallowed, DecodeError
from redis.exceptions import RedisError

from .dead_letters import DeadLetter, Reason, as_base64, dead_letters_of, quarantine_id
from .envelope import Malformed, as_bytes, call_of, check_arguments, check_task, is_name, is_too_deep
from .hold import may_start
from .transport import Channel

_EVENTS_SECS = 0.5

_PlainConsumer: Any = plain.Consumer  # what is overridden here is not in the stubs

logger = get_logger(__name__)


class Consumer(_PlainConsumer):
    """A consumer that no message can end, and whose events go out together."""

    _flush_planned = False

    def on_send_event_buffered(self) -> None:
        """Send events at most every half second, or two dozen at a time: each turn of the loop cost a round trip."""
        if not Channel.takes:  # it stops: what its tasks tell must come before it says that it is gone
            self._flush_events()
        elif not self._flush_planned:
            self._flush_planned = True
            self.timer.call_after(_EVENTS_SECS, self._flush_events)

    def _flush_events(self) -> None:
        self._flush_planned = False
        super()._flush_events()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Celery's handler of one message, which now gets only what it can handle."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            try:
                _check(message)
                return handle(message)
            except Exception as error:
                if self._is_lost_connection(error):
                    raise
                return self._set_aside(message, _reason(error), error)

        return on_task_received

    def apply_eta_task(self, task: Any) -> None:
        """Run a task whose countdown is over; where its queue is held, put it back there, uncounted."""
        if may_start(self, task):
            super().apply_eta_task(task)
            return
        task.reject(requeue=True)
        self.qos.decrement_eventually()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Set aside a body that cannot be read."""
        self._set_aside(message, Reason.UNDECODABLE, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Set aside what is no task message."""
        self._set_aside(message, Reason.INVALID_MESSAGE, None)
        task_rejected.send(sender=self, message=message, exc=None)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Set aside a task message that breaks the protocol."""
        self._set_aside(message, _reason(exc), exc)
        task_rejected.send(sender=self, message=message, exc=exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Set aside a task that nobody here knows, and tell whoever waits for it."""
        fields = _fields(message)
        if not self._set_aside(message, Reason.UNKNOWN_TASK, None):
            return
        with contextlib.suppress(RedisError, OSError):  # a result store that is away must not end the worker
            self._tell_unknown(fields, message)
        task_unknown.send(sender=self, message=message, exc=exc, name=fields["task"], id=fields["id"])

    def _tell_unknown(self, fields: dict[str, Any], message: Any) -> None:
        request = Bunch(
            name=fields["task"],
            chord=None,
            errbacks=None,
            root_id=fields.get("root_id"),
            correlation_id=message.properties.get("correlation_id"),
            reply_to=message.properties.get("reply_to"),
        )
        self.app.backend.mark_as_failure(fields["id"], NotRegistered(fields["task"]), request=request)
        if self.event_dispatcher:
            self.event_dispatcher.send("task-failed", uuid=fields["id"], exception="NotRegistered()", traceback="")

    def _set_aside(self, message: Any, reason: Reason, error: Exception | None) -> bool:
        """Store a message that cannot be run, then acknowledge it; unstored it stays with the broker."""
        letter = _letter(message, reason, error)
        try:
            dead_letters_of(self.app).add(letter)
        except RedisError as away:
            logger.error("Message %s could not be set aside (%s)", letter.id, type(away).__name__)
            _let_go(message)
            return False
        logger.error("Message on %s set aside as %s: %s (%s)", letter.queue, letter.id, reason, letter.message or "-")
        if not message.acknowledged:
            message.ack_log_error(logger, self.connection_errors)
        return True

    def _is_lost_connection(self, error: Exception) -> bool:
        # kombu counts KeyError among the lost connections; in the handling of a message it is the message's fault.
        return isinstance(error, self.connection_errors) and not isinstance(error, LookupError)


def _check(message: Any) -> None:
    """Refuse a message that Celery's own code would choke on.

    Raises: Malformed, DecodeError, ContentDisallowed.
    """
    if is_too_deep(message.body or b""):
        raise Malformed("nesting")
    body = message.payload
    check_arguments(body)
    check_task(_fields(message))


def _fields(message: Any) -> dict[str, Any]:
    """Where a task message says what it is: its headers (protocol 2), else its body (protocol 1)."""
    if "task" in message.headers:
        return cast("dict[str, Any]", message.headers)
    body = message.payload
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _reason(error: BaseException) -> Reason:
    undecodable = isinstance(error, DecodeError | ContentDisallowed)
    return Reason.UNDECODABLE if undecodable else Reason.INVALID_MESSAGE


def _letter(message: Any, reason: Reason, error: Exception | None) -> DeadLetter:
    raw = as_bytes(getattr(message, "_raw", None) or {"body": message.body, "headers": message.headers})
    queue = str((message.delivery_info or {}).get("routing_key") or "")
    fields, payload = _readable(message)
    return DeadLetter(
        id=fields["id"] if is_name(fields.get("id")) else quarantine_id(raw, queue),
        reason=reason,
        queue=queue,
        task=fields["task"] if is_name(fields.get("task")) else None,
        error=type(error).__name__ if error else None,
        message=error.part if isinstance(error, Malformed) else "",
        payload=payload or as_base64(raw),
    )


def _readable(message: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields of a message, and its arguments where they can be read."""
    try:
        fields = _fields(message)
        call = call_of(message.payload)
    except Exception:  # noqa: BLE001  whatever a decoder raises, the raw bytes are kept instead
        return message.headers if isinstance(message.headers, dict) else {}, None
    return fields, call


def _let_go(message: Any) -> None:
    qos = getattr(message.channel, "qos", None)
    if hasattr(qos, "let_go"):
        cast(Any, qos).let_go(message.delivery_tag)
