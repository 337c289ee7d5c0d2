"""The published contract: /openapi.json, and Swagger UI at /docs, which loads nothing from elsewhere."""

import json
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, send_file
from flask_smorest import Api  # pyright: ignore[reportMissingTypeStubs]

from .openapi import document

NAME = "docs"
_PAGES = Path(__file__).parents[1] / "pages"
_SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"
_FILES = {
    "start.js": _PAGES / "start.js",
    "swagger-ui-bundle.js": _SWAGGER_UI / "swagger-ui-bundle.js",
    "swagger-ui.css": _SWAGGER_UI / "swagger-ui.css",
    "favicon-32x32.png": _SWAGGER_UI / "favicon-32x32.png",
}
_CACHED_SECS = 3600
# Scripts and calls only from and to this service, nothing inline, no framing by other pages.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_blueprint(api: Api) -> Blueprint:
    """The routes that publish the contract of one service."""
    routes = Blueprint(NAME, __name__)
    routes.add_url_rule("/openapi.json", "document", lambda: _document(api))
    routes.add_url_rule("/docs", "page", lambda: send_file(_PAGES / "index.html", max_age=0))
    routes.add_url_rule("/docs/<name>", "file", _file)
    routes.after_request(_add_security_headers)
    return routes


def _document(api: Api) -> Response:
    return current_app.response_class(json.dumps(document(api), ensure_ascii=False), mimetype="application/json")


def _file(name: str) -> Response:
    return send_file(_FILES[name], max_age=_CACHED_SECS) if name in _FILES else abort(404)


def _add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
