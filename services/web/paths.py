"""Ids from the raw request line: percent-encoded or not, with slashes, colons and any Unicode."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import ValidationError
from werkzeug.routing import BaseConverter

from ...schemas.fields import Id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What the request line has after the path, in the WSGI environment: a query, a fragment, or nothing.
AFTER_PATH = "memory_graph_workers.after_path"
_ID = Id()


class IdConverter(BaseConverter):
    """The rest of the path, still encoded; a slash that is part of the id may be encoded or plain."""

    regex = r".+?"
    part_isolating = False


class RawPath:
    """Routes on the path as it was sent, so that `%2F` in an id does not separate."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Handle a request by its encoded path."""
        environ["PATH_INFO"], environ[AFTER_PATH] = _split(environ)
        return self._application(environ, start_response)


def read_id(encoded: Any) -> str:
    """Decode one id of a path; a 422 if it is not a valid id."""
    try:
        checked: Any = _ID.deserialize(unquote(encoded, errors="strict"))
    except (UnicodeDecodeError, ValidationError):
        abort(422, message="The path contains an invalid id.")
    return checked


def _split(environ: "WSGIEnvironment") -> tuple[str, str]:
    """The path as it was sent, and what follows it."""
    sent = str(environ.get("RAW_URI") or environ.get("PATH_INFO", "/"))
    end = min((place for mark in "?#" if (place := sent.find(mark)) >= 0), default=len(sent))
    raw = sent[:end]
    if not raw.startswith("/"):  # the absolute form, as a proxy sends it
        raw = urlsplit(raw).path
    return "/" + raw.lstrip("/"), sent[end:]
