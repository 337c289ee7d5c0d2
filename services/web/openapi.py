"""The published contract of an HTTP service: OpenAPI 3.1, made from its routes and schemas."""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, cast

from apispec import APISpec, BasePlugin
from flask import Flask
from flask_smorest import Api  # pyright: ignore[reportMissingTypeStubs]

from ...schemas.fields import Id
from ...schemas.json_schema import OPENAPI_VERSION, JsonSchemaPlugin
from .openapi_parts import ERROR, ERROR_HEADERS, ERRORS, HEADERS, HEALTH, PARAMETERS
from .paths import IdConverter

Operation = dict[str, Any]
VERSION = version("memory-graph-workers")
_JSON = "application/json"
_ALWAYS = {422, 500, 503}  # a query that the route does not take is a 422 everywhere
_WITH_BODY = {400, 413}
_BEARER = "bearer"
_ORDER = ("openapi", "info", "servers", "security", "tags", "paths", "components")
_OPERATION_ORDER = ("operationId", "summary", "description", "tags", "security", "parameters", "requestBody")


class SharedPartsPlugin(BasePlugin):
    """Adds to each operation the parts that all share: request ids, idempotency keys, errors."""

    def init_spec(self, spec: APISpec) -> None:
        """Define the components that operations refer to."""
        components = spec.components
        components.security_scheme(_BEARER, {"type": "http", "scheme": "bearer"})
        components.schema("Error", ERROR)
        components.schema("Health", HEALTH)
        for name, header in HEADERS.items():
            components.header(name, header)
        for name, parameter in PARAMETERS.items():
            components.parameter(name, parameter["in"], parameter, lazy=True)
        for code in ERRORS:
            components.response(ERRORS[code][0], _refusal(code), lazy=True)

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Complete the operations of one path."""
        for method, operation in (operations or {}).items():
            _complete(operation, method)


@dataclass(frozen=True)
class ServiceInfo:
    """What a contract says about its service."""

    title: str
    description: str
    key_needed: bool


def settings(info: ServiceInfo) -> dict[str, Any]:
    """The settings that flask-smorest reads."""
    facts = {"description": info.description, "license": {"name": "MIT OR Apache-2.0"}}
    servers = [{"url": "/", "description": "The service that serves this document."}]
    security = [{_BEARER: []}] if info.key_needed else [{_BEARER: []}, {}]
    return {
        "API_TITLE": info.title,
        "API_VERSION": VERSION,
        "OPENAPI_VERSION": OPENAPI_VERSION,
        "API_SPEC_OPTIONS": {"info": facts, "servers": servers, "security": security},
    }


def describe(app: Flask, api: Api) -> None:
    """Add to the contract what no blueprint says: ids in paths, and health."""
    untyped: Any = api
    untyped.register_converter(IdConverter, partial(_id, untyped))
    untyped.spec.path(rule=next(app.url_map.iter_rules("health")), operations={"get": _health()})


def plugins() -> dict[str, Any]:
    """The plugins that let flask-smorest describe our fields and errors."""
    return {"marshmallow_plugin": JsonSchemaPlugin(), "extra_plugins": [SharedPartsPlugin()]}


def document(api: Api) -> dict[str, Any]:
    """The whole contract, ordered for reading."""
    made = cast("Any", api).spec.to_dict()
    made["components"]["schemas"].pop("PaginationMetadata", None)  # flask-smorest's own paging, which we do not use
    return {name: made[name] for name in _ORDER if name in made}


def _complete(operation: Operation, method: str) -> None:
    codes = set(_ALWAYS) if operation.get("security") == [] else {401, *_ALWAYS}
    codes |= _WITH_BODY if "requestBody" in operation else set()
    parameters = operation.setdefault("parameters", [])
    if method == "post":
        codes |= {400, 409}
        parameters.append("IdempotencyKey")
    parameters.append("RequestId")
    responses = operation["responses"]
    for response in responses.values():
        if isinstance(response, dict):
            _with_request_id(response)
    responses.update({code: ERRORS[code][0] for code in codes if code not in responses or code == 422})
    ordered = {name: operation.pop(name) for name in _OPERATION_ORDER if name in operation}
    operation.update(ordered, responses=dict(sorted(operation.pop("responses").items())))


def _with_request_id(response: dict[str, Any]) -> None:
    response.setdefault("headers", {})["X-Request-ID"] = "RequestId"


def _refusal(code: int) -> dict[str, Any]:
    response: dict[str, Any] = {"description": ERRORS[code][1], "content": {_JSON: {"schema": "Error"}}}
    response["headers"] = dict(ERROR_HEADERS.get(code, {}))
    _with_request_id(response)
    return response


def _health() -> Operation:
    body = {"content": {_JSON: {"schema": "Health"}}}
    down = {"description": "The database does not respond.", "headers": dict(ERROR_HEADERS[503]), **body}
    return {
        "operationId": "health_check",
        "summary": "Say whether the service can work.",
        "tags": ["health"],
        "security": [],
        "responses": {200: {"description": "It can.", **body}, 503: down},
    }


def _id(api: Any, converter: IdConverter) -> dict[str, Any]:
    made: dict[str, Any] = api.ma_plugin.converter.field2property(Id())
    return {**made, "description": f"{made['description']} Percent-encoded."}
