"""A message whose body is opened within bounds: a few hundred kilobytes may unpack to gigabytes.

kombu unpacks a body at once, before anybody can look at it. Here zlib and gzip are unpacked in one bounded step, and no
other compression is opened. The same rules hold where a message is sent, so that no worker gets what it sets aside.
"""

import base64
import zlib
from typing import Any

from kombu.transport import virtual

from ..errors import UnfitMessage
from .envelope import Malformed, Undecodable, check_task, refuse_expensive

MESSAGE_MAX_BYTES = 32 * 2**20
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_OPENED = ("application/x-gzip", "gzip", "zlib")
WHOLE_UP_TO = 4  # times the bound: a larger item of a queue is not even read

_PlainMessage: Any = virtual.Message  # what is overridden here is not in the stubs


class Message(_PlainMessage):
    """A message whose body was opened as `body_of` does; if it cannot be, `errors` says why, as kombu has it."""

    started = False  # whether a child has taken the task

    def __init__(self, payload: dict[str, Any], channel: Any = None, **options: Any) -> None:
        body = b""
        try:
            body = body_of(payload, channel.message_max_bytes)
        except Malformed as error:
            self.errors = [(type(error), error.with_traceback(None), None)]  # its traceback would keep the whole body
        headers = {name: value for name, value in (payload.get("headers") or {}).items() if name != "compression"}
        super().__init__({**payload, "headers": headers, "body": None}, channel=channel, **options)
        self.body, self._raw = body, payload


def body_of(envelope: dict[str, Any], most_bytes: int) -> bytes:
    """Return the body in a checked envelope as its sender wrote it, or refuse it before it takes much memory.

    Raises: Malformed.
    """
    body = envelope.get("body") or ""
    if len(body) > 2 * most_bytes:  # base64 takes a third more
        raise Undecodable(_too_large(most_bytes))
    raw = base64.b64decode(body) if envelope["properties"].get("body_encoding") == "base64" else body
    return _opened(raw, (envelope.get("headers") or {}).get("compression"), most_bytes)


def is_opened(compression: Any) -> bool:
    """Whether workers open what is compressed so."""
    return not compression or compression in _OPENED


def refuse_large(item: bytes, most_bytes: int) -> None:
    """Refuse a queue's item that is larger than a message may be, before it is read.

    Raises: Malformed.
    """
    if len(item) > most_bytes:
        raise Undecodable(_too_large(most_bytes))


def refuse_unfit(body: Any, headers: dict[str, Any], most_bytes: int) -> None:
    """Refuse to send what every worker would set aside.

    Raises: UnfitMessage.
    """
    try:
        if isinstance(body, bytes | str):
            _opened(body, headers.get("compression"), most_bytes)
        if "task" in headers:
            check_task(headers)
    except Malformed as error:
        raise UnfitMessage(error.part) from None


def _opened(body: bytes | str, compression: Any, most_bytes: int) -> bytes:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if compression:
        raw = _unpacked(raw, compression, most_bytes)
    refuse_large(raw, most_bytes)
    refuse_expensive(raw)
    return raw


def _unpacked(raw: bytes, compression: Any, most_bytes: int) -> bytes:
    if not is_opened(compression):
        raise Undecodable("a compression that is neither zlib nor gzip")
    unpacking = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        found = unpacking.decompress(raw, most_bytes + 1)
    except zlib.error:
        raise Undecodable("not compressed as it says") from None
    if not unpacking.eof and len(found) <= most_bytes:
        raise Undecodable("cut off")
    return found


def _too_large(most_bytes: int) -> str:
    return f"larger than {most_bytes} bytes"
