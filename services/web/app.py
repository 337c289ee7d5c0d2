"""What the Registry and the Vault share: bearer keys, request ids, errors, limits, one log line a request."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from flask import Flask, Request, Response, current_app, g, jsonify, request
from flask.sessions import NullSession, SessionInterface
from flask_smorest import Api, abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..database.storage import Storage, is_outage
from . import docs_page, openapi
from .bearer import is_accepted
from .direct import ERROR, Direct, DirectRoute
from .headers import REQUEST_ID, UNKEPT, common_headers
from .log import log_failure, log_response, request_id
from .openapi import VERSION, ServiceInfo
from .openapi_parts import error_body
from .paths import AFTER_PATH, IdConverter, RawPath, read_id
from .request_body import BROKEN_BODY
from .traced import Traced

HEALTH = "health"
_MAX_FIELDS = 20
_MAX_DRAINED_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10
_NO_SESSION = NullSession()


class NoSessions(SessionInterface):
    """No cookie of a session is read or written."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Give each request the same empty one."""
        return _NO_SESSION


class LeanFlask(Flask):
    """Flask without what none of ours uses and each request would pay for: sessions, and views that are coroutines."""

    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take a view as it is."""
        return func


class ErrorApi(Api):
    """Errors as short JSON that quotes nothing of the request."""

    DEFAULT_ERROR_RESPONSE_NAME = None  # every error of an operation is named
    ERROR_SCHEMA = "Error"

    def handle_http_exception(self, error: HTTPException) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Make the response's body."""
        data: dict[str, Any] = getattr(error, "data", None) or {}
        body = error_body(error.code or 500, data.get("message", error.name), data.get("refusal"))
        fields = data.get("messages", {})
        if fields:
            body["errors"] = limit_fields(fields.get("json", fields.get("query", fields)))
        return body, body["code"], data.get("headers") or _allow_header(error)


def make_web_app(
    info: ServiceInfo,
    storage: Storage,
    keys: tuple[str, ...],
    max_body_bytes: int,
    capabilities: Mapping[str, Any],
    direct: Sequence[DirectRoute] = (),
) -> tuple[Flask, Api]:
    """A web application without its routes, and the API to register them with.

    `capabilities` is what the service can do beyond the published wire, each with its facts; /health tells them.
    Plain calls to `direct` routes run without Flask.
    """
    app = LeanFlask(info.title, static_folder=None)
    app.config.update(openapi.settings(info), MAX_CONTENT_LENGTH=max_body_bytes, PROPAGATE_EXCEPTIONS=False)
    _route_on_raw_paths(app)
    app.wsgi_app = Traced(RawPath(Direct(app.wsgi_app, direct, app.json.dumps, keys, max_body_bytes)))
    app.before_request(_start_request)
    app.before_request(_raise_error)
    app.before_request(lambda: _check_key(keys))
    app.before_request(_refuse_query)
    app.before_request(_read_ids)
    app.after_request(_finish_request)
    api = ErrorApi(app, spec_kwargs=openapi.plugins())
    app.register_error_handler(SQLAlchemyError, _storage_failed)
    app.register_error_handler(Exception, _failed)
    app.add_url_rule("/health", HEALTH, lambda: _health(storage, capabilities))
    openapi.describe(app, api)
    app.register_blueprint(docs_page.docs_blueprint(api))
    return app, api


def limit_fields(messages: Any) -> Any:
    """At most 20 messages a level; names with lone surrogates are replaced, so that any JSON reader accepts them."""
    if not isinstance(messages, dict):
        return messages
    pairs = list(messages.items())[:_MAX_FIELDS]
    return {str(name).encode(errors="replace").decode(): limit_fields(inner) for name, inner in pairs}


def _allow_header(error: HTTPException) -> dict[str, str]:
    methods = error.valid_methods if isinstance(error, MethodNotAllowed) else None
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def _route_on_raw_paths(app: Flask) -> None:
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def _start_request() -> None:
    g.started = time.monotonic()
    g.request_id = request_id(request.headers.get(REQUEST_ID))


def _raise_error() -> None:
    error = request.environ.get(ERROR)
    if error is not None:
        raise error


def _check_key(keys: tuple[str, ...]) -> None:
    if not keys or request.endpoint == HEALTH or request.blueprint == docs_page.NAME:
        return
    if not is_accepted(request.headers.get("Authorization", ""), keys):
        abort(401, message="A valid bearer key is needed.", headers={"WWW-Authenticate": "Bearer"})


def _refuse_query() -> None:
    """A route without query parameters gets none: `DELETE /sessions/chat?1` was meant for another session's id."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or getattr(view, "takes_query", False) or not request.environ[AFTER_PATH]:
        return
    messages = {name: ["Unknown field."] for name in request.args}
    abort(422, message="This address takes no query; in an id write ? as %3F and # as %23.", messages=messages)


def _read_ids() -> None:
    request.view_args = {name: read_id(value) for name, value in (request.view_args or {}).items()}


def _finish_request(response: Response) -> Response:
    if response.status_code >= 400:
        _drain_body()
    headers = common_headers(g.request_id)
    response.headers.update([*headers, *([] if request.blueprint == docs_page.NAME else [UNKEPT])])
    rule = request.url_rule
    method, route = (request.method, rule.rule) if rule else ("?", None)
    log_response(method, route, response.status_code, g.started, g.request_id)
    return response


def _drain_body() -> None:
    """Read the rest of a refused request: a client still sending would get a reset connection and no response."""
    rest, left = request.environ["wsgi.input"], _MAX_DRAINED_BYTES
    with suppress(*BROKEN_BODY):
        while left > 0 and (part := rest.read(_CHUNK_BYTES)):
            left -= len(part)


def _health(storage: Storage, capabilities: Mapping[str, Any]) -> tuple[Response, int, dict[str, str]]:
    try:
        storage.check()
    except SQLAlchemyError as error:
        log_failure(error, {"request_id": g.request_id})
        return jsonify(status="unhealthy", database="down"), 503, {"Retry-After": "1"}
    return jsonify(status="healthy", database="up", version=VERSION, capabilities=capabilities), 200, {}


def _storage_failed(error: SQLAlchemyError) -> Any:
    if not is_outage(error):
        return _failed(error)
    log_failure(error, {"request_id": g.request_id})
    return jsonify(error_body(503, "The database does not respond.")), 503, {"Retry-After": "1"}


def _failed(error: Exception) -> Any:
    if isinstance(error, HTTPException):
        return error
    log_failure(error, {"request_id": g.request_id})
    return error_body(500, "The service failed."), 500
