"""Sending messages: as JSON that is written fast, alone or in a batch; replicas confirm them where that is wanted."""

import math
from functools import partial
from typing import Any

import orjson
from kombu.transport import redis as plain

from ..connections.replicas import write
from ..messages.message import MESSAGE_MAX_BYTES, refuse_unfit
from .quarantine import uncounted

_PlainChannel: Any = plain.Channel  # what is overridden here is not in the stubs


class Sender(_PlainChannel):
    """The part of a channel that sends."""

    message_max_bytes = MESSAGE_MAX_BYTES
    min_replicas = 0  # that must have a task, or a dead letter, before it counts as sent or kept

    def prepare_message(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a message to send.

        Raises: UnfitMessage for one that every worker would set aside.
        """
        message = super().prepare_message(*args, **options)
        message["headers"] = uncounted(message["headers"])
        refuse_unfit(message["body"], message["headers"], self.message_max_bytes)
        return message

    def create_publish_batch(self, max_size: int) -> Any:
        """Return what collects messages; replicas are waited for at its end, and each time that it is full.

        It raises BatchPublishError, whose cause is a DeliveryUncertain if too few replicas confirmed.
        """
        batch = super().create_publish_batch(max_size)
        if self.min_replicas:
            batch.pipeline.execute = partial(write, batch.pipeline, self.min_replicas)
        return batch

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Put a message on its queue; a task counts as sent once enough replicas have it.

        Raises: DeliveryUncertain.
        """
        task_id = _task_id(message)
        if not self.min_replicas or task_id is None or options.get("_publish_batch") is not None:
            self._push(queue, message, **options)
            return
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            self._push(queue, message, **options, _publish_batch=_Commands(pipe))
            write(pipe, self.min_replicas, [task_id])

    def _push(self, queue: str, message: Any, **options: Any) -> None:
        """Push a message; leave to kombu what orjson cannot write, and queues that expire."""
        item = None if queue in (self._expires or ()) else _fast_json(message)
        if item is None:
            super()._put(queue, message, **options)
            return
        key, batch = (
            self._q_for_pri(queue, self._get_message_priority(message, reverse=False)),
            options.get("_publish_batch"),
        )
        if batch is not None:
            batch.add("lpush", key, item)
            return
        with self.conn_or_acquire() as client:
            client.lpush(key, item)


class _Commands:
    """Takes the commands of one message for a pipeline, as kombu's batch does."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def add(self, name: str, *arguments: Any) -> None:
        """Add a command."""
        getattr(self._pipe, name)(*arguments)


def _task_id(message: Any) -> str | None:
    """Return the id of the task that a message is for; None for events and the replies of remote control."""
    found = (message.get("headers") or {}).get("id") or message["properties"].get("correlation_id")
    return str(found) if found else None


def _fast_json(message: Any) -> bytes | None:
    """Return a message as JSON, or None if it has values that only kombu can write (times, UUIDs, NaN)."""
    if not _is_plain(message.get("headers") or {}):
        return None
    try:
        return orjson.dumps(message, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError:  # a lone surrogate, or an integer of more than 64 bits
        return None


def _is_plain(value: Any) -> bool:
    """Return whether orjson and kombu write a value as the same JSON."""
    kind = type(value)
    if kind in (list, tuple):
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(name) is str and _is_plain(inner) for name, inner in value.items())
    return value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value))
