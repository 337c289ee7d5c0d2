"""Receiving a request: when all of it has arrived, and what arrives too slowly or is too much."""

import re
from dataclasses import dataclass
from io import BytesIO

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.http.unreader import Unreader  # pyright: ignore[reportMissingTypeStubs]

from .bearer import is_accepted

HEAD_SECS = 10.0
LEAST_BYTES_PER_SEC = 16 * 2**10
_MAX_HEAD_BYTES = 64 * 2**10
_PIECE_BYTES = 64 * 2**10
_END = b"\r\n\r\n"
_FIELD = re.compile(rb"\r\n(content-length|transfer-encoding|authorization|expect):[ \t]*([^\r\n]*)", re.IGNORECASE)


class TooSlow(Exception):
    """A request that did not arrive in time."""


class TooMuch(Exception):
    """A request for whose body there is no memory now."""


@dataclass(frozen=True)
class Admission:
    """Whose bodies a service reads, up to which size, and how much of them it holds at a time."""

    keys: tuple[str, ...]
    max_body_bytes: int
    most_held_bytes: int

    def accepts(self, authorization: str) -> bool:
        """Whether the caller may send a body."""
        return not self.keys or is_accepted(authorization, self.keys)


class Reception:
    """The bytes of one request so far, without parsing them: that is left to Gunicorn.

    A body that the service will refuse unread (no key, or over `max_body_bytes`) is not waited for.
    """

    def __init__(self, data: bytes, now: float, admission: Admission) -> None:
        self._admission, self._most = admission, admission.max_body_bytes
        self.data = bytearray()
        self._since, self._body_at = now, 0
        self._is_chunked, self._end = False, 0
        self.is_over = False
        self.is_cut = False
        self.wants_continue = False
        self.add(data, now)

    def __len__(self) -> int:
        """How many bytes have arrived."""
        return len(self.data)

    @property
    def deadline(self) -> float:
        """When the rest must have arrived: 10 seconds for the head, then a least rate for the body."""
        body = (len(self.data) - self._body_at) / LEAST_BYTES_PER_SEC if self._body_at else 0.0
        return self._since + HEAD_SECS + body

    def add(self, data: bytes, now: float) -> None:
        """Take what arrived.

        Raises: ParseException if it can be no head.
        """
        looked_at = max(0, len(self.data) - len(_END))
        self.data += data
        if not self._body_at:
            self._find_head(looked_at, now)
        if self._body_at and not self.is_over:
            self._find_end()

    def stop(self) -> None:
        """Wait for no more: the sender has ended, or the rest will be refused unread."""
        self.is_over = self.is_cut = True

    def _find_head(self, looked_at: int, now: float) -> None:
        end = self.data.find(_END, looked_at)
        if end >= 0:
            self._body_at, self._since = end + len(_END), now
            self._read_head(bytes(self.data[:end]))
        elif len(self.data) > _MAX_HEAD_BYTES:
            raise LimitRequestHeaders("head") if b"\r\n" in self.data else LimitRequestLine(0, 0)

    def _read_head(self, head: bytes) -> None:
        fields = {name.lower(): value.decode("latin-1").strip() for name, value in _FIELD.findall(head)}
        length = fields.get(b"content-length", "0")
        announced = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
        self._is_chunked, self._end = b"transfer-encoding" in fields, self._body_at + announced
        if not self._is_chunked and not announced:
            self.is_over = True
        elif announced > self._most or not self._admission.accepts(fields.get(b"authorization", "")):
            self.stop()
        self.wants_continue = fields.get(b"expect", "").lower() == "100-continue" and not self.is_over

    def _find_end(self) -> None:
        if self._is_chunked:
            self._find_last_chunk()
        else:
            self.is_over = len(self.data) >= self._end

    def _find_last_chunk(self) -> None:
        while (line_end := self.data.find(b"\r\n", self._end)) >= 0:
            try:
                size = int(self.data[self._end : line_end].partition(b";")[0], 16)
            except ValueError:
                size = -1
            if size == 0 and self.data.find(_END, line_end) >= 0:
                self.is_over = True
            if size <= 0:
                break
            self._end = line_end + 2 + size + 2
        else:
            size = 0
        # Twice the limit: chunks have sizes and line ends of their own.
        if size < 0 or len(self.data) - self._body_at > 2 * self._most or len(self.data) - self._end > _MAX_HEAD_BYTES:
            self.stop()


class Received(Unreader):
    """What Gunicorn's parser reads: bytes that have arrived, and never the socket."""

    def __init__(self) -> None:
        super().__init__()
        self._data, self._at = bytearray(), 0

    def put(self, data: bytearray) -> None:
        """Give the parser the next request."""
        self._data, self._at = data, 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next piece; empty at the end."""
        piece = bytes(self._data[self._at : self._at + max(size_hint or 0, _PIECE_BYTES)])
        self._at += len(piece)
        return piece

    def take_kept(self) -> bytes:
        """What `keep_rest` kept."""
        kept, self.buf = self.buf.getvalue(), BytesIO()
        return kept

    def keep_rest(self) -> None:
        """Keep only what came behind the request, the beginning of the next one, where Gunicorn looks for it."""
        rest = self.take_kept() + bytes(self._data[self._at :])
        self._data, self._at = bytearray(), 0
        self.buf.write(rest)
