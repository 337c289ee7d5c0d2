"""The quarantine: broken messages, and messages that keep losing their worker, become dead letters here."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from kombu.utils.json import loads

from ..dead_letters.store import DeadLetter, DeadLetters, Reason, as_base64, quarantine_id
from ..keys import PLAIN_UNACKED
from ..messages.attempts import noting_lost
from ..messages.call_options import with_options
from ..messages.countdowns import secs_left
from ..messages.envelope import Malformed, check_envelope, dump_for_inspection, is_name, read_call
from ..messages.message import body_of

logger = logging.getLogger(__name__)

MAX_WORKER_LOSSES = 10
_LOSSES_HEADER = "worker_losses"


class Abandoned(NamedTuple):
    """A message that no living worker holds, ready to be put back on its queues."""

    envelope: dict[str, Any]
    exchange: Any
    routing_key: Any


class Quarantine:
    """Keeps in the dead letters what must not go back on a queue. Every method may raise redis.RedisError."""

    def __init__(self, letters: DeadLetters, message_max_bytes: int) -> None:
        self._letters, self._most_bytes = letters, message_max_bytes

    def set_aside(self, item: bytes, queue: str, part: str) -> None:
        """Store a queue's item that is not a message; `part` names what is wrong with it."""
        letter_id = self._letters.quarantine(item, queue, Reason.BROKEN_ENVELOPE, part)
        logger.error(
            "Broken message on %s set aside as dead letter %s (%s, %d bytes)", queue, letter_id, part, len(item)
        )

    def restorable(self, noted: bytes) -> Abandoned | None:
        """Return an in-flight message that was abandoned, with one more lost worker on its count.

        None if it became a dead letter: it is broken, or its worker was lost too often.
        """
        try:
            raw, exchange, routing_key = _parts(noted)
            envelope = _redelivered(check_envelope(raw))
        except (Malformed, ValueError) as error:
            self._letters.quarantine(noted, PLAIN_UNACKED, Reason.BROKEN_ENVELOPE, type(error).__name__)
            return None
        if envelope["headers"][_LOSSES_HEADER] >= MAX_WORKER_LOSSES:
            self._bury(envelope, routing_key or "")
            return None
        return Abandoned(envelope, exchange, routing_key)

    def returnable(self, noted: bytes, *, started: bool = False) -> Abandoned | None:
        """Return a message that no worker was lost with, marked as redelivered; None if it was broken.

        If its task was `started`, that attempt is lost.
        """
        try:
            raw, exchange, routing_key = _parts(noted)
            envelope = check_envelope(raw)
        except (Malformed, ValueError) as error:
            self._letters.quarantine(noted, PLAIN_UNACKED, Reason.BROKEN_ENVELOPE, type(error).__name__)
            return None
        return Abandoned(_marked(envelope, lost=started), exchange, routing_key)

    def _bury(self, envelope: dict[str, Any], queue: str) -> None:
        """Store a message whose worker was lost too often."""
        headers, raw = envelope["headers"], dump_for_inspection(envelope)
        self._letters.add(
            DeadLetter(
                id=headers["id"] if is_name(headers.get("id")) else quarantine_id(raw, queue),
                reason=Reason.LOST_WORKER,
                queue=queue,
                task=headers.get("task") if is_name(headers.get("task")) else None,
                attempts=headers[_LOSSES_HEADER],
                payload=self._call(envelope) or as_base64(raw),
            )
        )
        logger.error("Message on %s took its worker down %d times: set aside", queue, headers[_LOSSES_HEADER])

    def _call(self, envelope: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return with_options(read_call(body_of(envelope, self._most_bytes)), envelope["headers"])
        except Malformed:
            return None


def _parts(noted: bytes) -> list[Any]:
    """Return envelope, exchange and routing key, as kombu notes them together."""
    try:
        parts = loads(noted)
    except Exception as error:  # decoders raise errors of any class on what somebody else wrote
        raise Malformed(PLAIN_UNACKED) from error
    if not isinstance(parts, list) or len(cast("list[Any]", parts)) != 3:
        raise Malformed(PLAIN_UNACKED)
    return cast("list[Any]", parts)


def _redelivered(envelope: dict[str, Any]) -> dict[str, Any]:
    """Mark an envelope as redelivered, and count one more lost worker, unless its countdown is not over yet.

    Such a task has never been started, so it did not take its worker down. Any other may have been.
    """
    headers = envelope.get("headers") or {}
    losses, may_have_started = headers.get(_LOSSES_HEADER), not secs_left(headers)
    counted = (losses if isinstance(losses, int) else 0) + may_have_started
    return _marked(envelope, {_LOSSES_HEADER: counted}, lost=may_have_started)


def uncounted(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the headers of a message to send, without what an earlier message met: Celery's retries copy headers."""
    return {name: value for name, value in headers.items() if name not in (_LOSSES_HEADER, "redelivered")}


def _marked(
    envelope: dict[str, Any], counts: Mapping[str, int] = MappingProxyType({}), *, lost: bool
) -> dict[str, Any]:
    headers = envelope.get("headers") or {}
    envelope["headers"] = {**(noting_lost(headers) if lost else headers), "redelivered": True, **counts}
    envelope["properties"]["delivery_info"]["redelivered"] = True
    return envelope
