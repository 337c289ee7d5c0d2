"""A message of a known task that no worker opens: it is too large, or compressed in another way than zlib or gzip.

Its letter keeps it whole, so that it can be sent again as it was once the bound is larger. What was compressed with
bzip2 or xz is unpacked, within the bound, before it is sent.
"""

import base64
import bz2
import lzma
from typing import Any, cast

from ..errors import UnfitMessage
from ..messages.message import is_opened

UNOPENED = "envelope"  # of a letter's payload
_LZMA_MEMORY_BYTES = 128 * 2**20


class StillUnfit(Exception):
    """A worker would set the message aside again; the text says why and what to change."""


def unopened(payload: dict[str, Any] | None) -> dict[str, Any] | None:
    """The message that a letter's payload keeps as it was, or None."""
    return cast("dict[str, Any] | None", (payload or {}).get(UNOPENED))


def send_unopened(app: Any, envelope: dict[str, Any], queue: str, most_bytes: int, *, expires: bool) -> str:
    """Put a message on a queue as it was; `expires` keeps the time after which it must not run. Returns its task's id.

    Raises: StillUnfit.
    """
    headers = {**envelope["headers"], "retries": 0}
    if not expires:
        headers["expires"] = None
    properties, body = envelope["properties"], envelope.get("body") or ""
    raw = base64.b64decode(body) if properties.get("body_encoding") == "base64" else body.encode()
    if not is_opened(headers.get("compression")):
        raw, headers["compression"] = _unpacked(raw, headers["compression"], most_bytes)
    kept = {name: properties[name] for name in ("priority", "correlation_id", "reply_to") if properties.get(name)}
    try:
        with app.producer_or_acquire() as producer:
            producer.publish(
                raw,
                exchange="",
                routing_key=queue,
                headers=headers,
                content_type=envelope.get("content-type") or "application/json",
                content_encoding=envelope.get("content-encoding") or "utf-8",
                **kept,
            )
    except UnfitMessage as error:
        raise StillUnfit(
            f"A worker would set it aside again ({error.part}): deploy a larger MESSAGE_MAX_BYTES (message_max_bytes) "
            "for all, or send the call again in another way and purge the letter."
        ) from None
    return str(headers["id"])


def _unpacked(raw: bytes, compression: Any, most_bytes: int) -> tuple[bytes, Any]:
    """What bzip2 or xz packed, and no compression; what cannot be unpacked stays as it is, and is refused when sent."""
    try:
        if compression in ("application/x-bz2", "bzip2", "bzip"):
            opener: Any = bz2.BZ2Decompressor()
        elif compression in ("application/x-lzma", "lzma", "xz"):
            opener = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES)
        else:
            return raw, compression
        found = opener.decompress(raw, most_bytes + 1)
    except (OSError, lzma.LZMAError):
        return raw, compression
    return (found, None) if opener.eof or len(found) > most_bytes else (raw, compression)
