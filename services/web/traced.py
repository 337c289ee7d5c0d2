"""A span for each request, in the trace that its `traceparent` names."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from ...tracing.context import context_of, opentelemetry
from ...tracing.spans import span

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HEALTH = "/health"


class Traced:
    """Records each request, but for health checks, which would begin a trace every few seconds."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Handle a request."""
        if opentelemetry() is None or environ["PATH_INFO"] == _HEALTH:
            return self._application(environ, start_response)
        with span("HTTP", "SERVER", parent=context_of(environ.get("HTTP_TRACEPARENT"))):
            return self._application(environ, start_response)


def describe_response(method: str, route: str | None, status: int) -> None:
    """Name the current request's span by its route, never by its path, which has ids."""
    api = opentelemetry()
    if api is None or not (current := api.get_current_span()).is_recording():
        return
    current.set_attributes({"http.request.method": method, "http.response.status_code": status})
    if route is not None:
        current.update_name(f"{method} {_template(route)}")
        current.set_attribute("http.route", _template(route))
    if status >= 500:
        current.set_status(api.StatusCode.ERROR)


@lru_cache
def _template(route: str) -> str:
    """A route of Flask's as the contract writes it: `/sessions/{session_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
