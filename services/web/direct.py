"""Plain calls to the busiest routes, run without Flask, which takes longer than such a call itself.

Flask keeps everything else about these routes: their documents, every request that is not plain, and every error.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bearer import is_accepted
from .headers import UNKEPT, common_headers
from .idempotency import is_key
from .log import log_response, request_id
from .paths import AFTER_PATH, read_id
from .request_body import as_announced

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# In the WSGI environment, the error that a plain call met: Flask makes the response of it.
ERROR = "memory_graph_workers.error"
_KEY = "HTTP_IDEMPOTENCY_KEY"
_MOST_DIGITS = 20  # Python refuses to read thousands


@dataclass(frozen=True, slots=True)
class Call:
    """A plain call: the ids of its path, decoded, its Idempotency-Key and its body."""

    ids: Sequence[str]
    key: str | None
    body: bytes


class DirectRoute:
    """A route that Flask has too; `run` makes the JSON values of its response, or raises what the view would raise."""

    def __init__(self, method: str, rule: str, status: str, run: Callable[[Call], dict[str, Any]]) -> None:
        """`rule` is Flask's; with a body, a call is plain only if it has a valid Idempotency-Key."""
        self.method, self.rule, self.status, self.run = method, rule, status, run
        self.has_body = method == "POST"
        self.path = re.compile(re.sub(r"<id:\w+>", "([^/]+)", rule))


class Direct:
    """Runs plain calls; passes everything else on to the application."""

    def __init__(
        self,
        application: "WSGIApplication",
        routes: Sequence[DirectRoute],
        write_json: Callable[[Any], str],
        keys: tuple[str, ...],
        max_body_bytes: int,
    ) -> None:
        self._application, self._routes, self._write_json = application, routes, write_json
        self._keys, self._max_body_bytes = keys, max_body_bytes

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Handle a request."""
        started = time.monotonic()
        found = self._plain(environ)
        if found is None:
            return self._application(environ, start_response)
        route, path = found
        try:
            written = self._write_json(route.run(self._call(environ, route, path)))
        except Exception as error:  # noqa: BLE001  whatever it is, Flask has what responds to it
            environ[ERROR] = error
            return self._application(environ, start_response)
        body, own_id = f"{written}\n".encode(), request_id(environ.get("HTTP_X_REQUEST_ID"))
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(route.status, [*headers, *common_headers(own_id), UNKEPT])
        log_response(route.method, route.rule, int(route.status[:3]), started, own_id)
        return [body]

    def _plain(self, environ: "WSGIEnvironment") -> tuple[DirectRoute, re.Match[str]] | None:
        """The route and the path of a plain call with a valid bearer key; None for any other request."""
        sent = environ["PATH_INFO"]
        if not sent.isascii():  # bytes that WSGI passes on as Latin-1
            return None
        for route in self._routes:
            if route.method == environ["REQUEST_METHOD"] and (path := route.path.fullmatch(sent)):
                is_plain = not environ[AFTER_PATH] and (not route.has_body or self._has_plain_body(environ))
                return (route, path) if is_plain and self._may_call(environ) else None
        return None

    def _has_plain_body(self, environ: "WSGIEnvironment") -> bool:
        length = environ.get("CONTENT_LENGTH", "")
        is_number = length.isascii() and length.isdigit() and len(length) < _MOST_DIGITS
        fits = is_number and int(length) <= self._max_body_bytes
        return fits and "HTTP_TRANSFER_ENCODING" not in environ and is_key(environ.get(_KEY, ""))

    def _may_call(self, environ: "WSGIEnvironment") -> bool:
        return not self._keys or is_accepted(environ.get("HTTP_AUTHORIZATION", ""), self._keys)

    def _call(self, environ: "WSGIEnvironment", route: DirectRoute, path: re.Match[str]) -> Call:
        ids = [read_id(encoded) for encoded in path.groups()]
        if not route.has_body:
            return Call(ids, None, b"")
        length = int(environ["CONTENT_LENGTH"])
        body = as_announced(lambda: environ["wsgi.input"].read(length), length)
        return Call(ids, environ[_KEY], body)
