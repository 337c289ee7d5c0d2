"""The head of an answer, read at once where it is plain; every other is left to http.client."""

import re
from http.client import HTTPMessage, HTTPResponse
from typing import Any, cast

# The status line, and up to 99 headers (http.client takes no more) of printable ASCII: no folding, nothing that is odd.
_PLAIN = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: ([ -~]*))?\r\n((?:[!#$%&'*+.^`|~\w-]+:[\t -~]*\r\n){0,99})\r\n")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_BODILESS = (204, 304)


class PlainHead(HTTPResponse):
    """An answer whose headers need no parser of mail, which takes a fifth of a whole call's processor time.

    Every attribute is as http.client sets it. Plain is a head that came in one piece, with the length of the body.
    """

    def begin(self) -> None:
        """Read the head; raises as http.client does."""
        if self.headers is not None or not self._is_plain():  # pyright: ignore[reportUnnecessaryComparison]
            super().begin()
        while 100 < self.status < 200:  # hints before the answer, of which http.client passes over 100 alone
            self.headers = cast(Any, None)
            super().begin()

    def _is_plain(self) -> bool:
        """Take a plain head off the stream; False, and nothing taken, where it is any other."""
        found = _PLAIN.match(self.fp.peek())
        status = int(found[1]) if found else 0
        if not found or cast(Any, self)._method == "HEAD":
            return False
        message = HTTPMessage()
        for line in found[3].decode("ascii").split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            message.set_raw(name, value.lstrip(" \t"))
        length = "0" if status in _BODILESS else message.get("content-length", "")
        if "transfer-encoding" in message or not _LENGTH.fullmatch(length):
            return False
        self.fp.read(found.end())
        self.code = self.status = status
        self.reason = (found[2] or b"").decode("ascii").strip()
        self.version = 11
        self.headers = self.msg = message
        self.chunked, self.length = False, int(length)
        self.will_close = cast(Any, self)._check_close()
        return True
