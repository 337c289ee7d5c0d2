"""Records what is sent: in place of the broker and the result store, while all checks before them stay as they are."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from kombu import serialization
from kombu.compression import decompress
from kombu.exceptions import OperationalError
from kombu.transport import virtual

from ..delivery.messages.message import refuse_unfit
from ..tasks.app import app
from ..tasks.base import broker
from ..tasks.usage import flush_reporters
from .sent_tasks import SentTasks
from .takeover import REPORTS_SECS, takeover

_PlainChannel: Any = virtual.Channel  # what is overridden here is not in the stubs
_PlainBackend: Any = BaseBackend


class _Current:
    """Who records now."""

    sent: SentTasks | None = None


class Channel(_PlainChannel):
    """Takes messages as a broker does, and notes them."""

    def prepare_message(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a message to send.

        Raises: UnfitMessage for one that every worker would set aside.
        """
        message = super().prepare_message(*args, **options)
        refuse_unfit(message["body"], message["headers"], broker.message_max_bytes)
        return message

    def basic_publish(self, message: Any, exchange: str, routing_key: str, **options: Any) -> None:
        """Note a message.

        Raises: kombu's OperationalError if the test that recorded has ended.
        """
        if _Current.sent is None:
            raise OperationalError("A task was sent after its test had ended.")
        headers, body = message["headers"], message["body"]
        if "compression" in headers:
            body = decompress(body, headers["compression"])
        read = serialization.loads(body, message["content-type"], message["content-encoding"])
        _Current.sent.record(headers, read, routing_key)


class Transport(virtual.Transport):
    """A broker that is only a record."""

    Channel = Channel
    driver_type = driver_name = "record"


class Results(_PlainBackend):
    """A result store with the results that the test sets."""

    def __init__(self, sent: SentTasks) -> None:
        super().__init__(app)
        self._sent = sent

    def wait_for(self, task_id: str, *args: Any, **options: Any) -> Any:
        """Return a result at once.

        Raises: NoResult if the test set none.
        """
        meta = self.get_task_meta(task_id)
        if meta["status"] not in states.READY_STATES:
            raise self._sent.no_result(task_id)
        return meta

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        """Return a result as Celery knows it."""
        found = self._sent.result_of(task_id)
        if found is None:
            return {"status": states.PENDING, "result": None}
        succeeded, result = found
        return {"status": states.SUCCESS if succeeded else states.FAILURE, "result": result, "task_id": task_id}

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """Leave the end of a chord to its tasks, which carry it."""

    def forget(self, task_id: str) -> None:
        """Leave the result where it is."""


@contextmanager
def recording() -> Generator[SentTasks]:
    """Record all tasks that this process sends within the block; nothing reaches a broker.

    `task_always_eager` is off meanwhile. Raises: RuntimeError if another block records, or runs tasks inline.
    """
    sent = SentTasks()
    with takeover("Tasks are recorded", eager=False, transport=Transport, results=Results(sent)):
        _Current.sent = sent
        try:
            yield sent
        finally:
            with suppress(OperationalError):
                flush_reporters(REPORTS_SECS)  # else they would be the next test's
            _Current.sent = None
