"""A message of a known task that no worker opens: it is too large, or compressed in another way than zlib or gzip.

Its letter keeps it whole, so that it can be sent again as it was once the bound is larger. What was compressed with
bzip2, xz or zstd is unpacked, within the bound, before it is sent; zstd needs the package zstandard.
"""

import base64
import bz2
import lzma
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from ..errors import UnfitMessage
from ..messages.envelope import is_name
from ..messages.message import is_opened

UNOPENED = "envelope"  # of a letter's payload
_MEMORY_BYTES = 128 * 2**20  # for unpacking
_OTHERWISE = "send the call again with zlib, gzip or no compression, then purge the letter."


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
        raw, headers["compression"] = _unpacked(raw, headers["compression"], most_bytes), None
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


def _unpacked(raw: bytes, compression: Any, most_bytes: int) -> bytes:
    """Return what was packed, of what is larger than the bound one byte more.

    Raises: StillUnfit.
    """
    unpack = _UNPACK.get(compression) if isinstance(compression, str) else None
    if unpack is not None:
        with suppress(OSError, EOFError, ValueError, lzma.LZMAError):
            return unpack(raw, most_bytes + 1)
    name = f"with {compression}" if is_name(compression) else "in an unknown way"
    why = "which no worker opens and this command cannot unpack" if unpack is None else "but it is broken"
    raise StillUnfit(f"It is compressed {name}, {why}: {_OTHERWISE}")


def _bzip2(raw: bytes, most_bytes: int) -> bytes:
    return _whole(bz2.BZ2Decompressor(), raw, most_bytes)


def _xz(raw: bytes, most_bytes: int) -> bytes:
    return _whole(lzma.LZMADecompressor(memlimit=_MEMORY_BYTES), raw, most_bytes)


def _whole(opener: Any, raw: bytes, most_bytes: int) -> bytes:
    found = opener.decompress(raw, most_bytes)
    if not opener.eof and len(found) < most_bytes:
        raise EOFError
    return found


def _zstd(raw: bytes, most_bytes: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise StillUnfit(
            "It is compressed with zstd, which no worker opens, and this Python has no package zstandard to unpack it: "
            f"pip install zstandard here and replay it, or {_OTHERWISE}"
        ) from None
    try:
        opener = zstandard.ZstdDecompressor(max_window_size=_MEMORY_BYTES)
        found = opener.stream_reader(raw).read(most_bytes)
        if len(found) < most_bytes:
            opener.decompress(raw, max_output_size=len(found) + 1)  # the reader does not see that the end is missing
        return found
    except zstandard.ZstdError as error:
        raise ValueError from error


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    **dict.fromkeys(("application/x-bz2", "bzip2", "bzip"), _bzip2),
    **dict.fromkeys(("application/x-lzma", "lzma", "xz"), _xz),
    **dict.fromkeys(("application/zstd", "zstd", "zstandard"), _zstd),
}
