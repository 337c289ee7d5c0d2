"""The payloads as JSON Schema 2020-12, the dialect of OpenAPI 3.1; draft-07, that of AsyncAPI 3.0, reads it the same.

JSON Schema cannot express every rule. A payload that follows its schema is still refused if text has lone surrogates,
JSON is nested deeper than 100 levels, a count is written as `1.0`, a number is too large for a double, a timestamp does
not exist, is a leap second or lies outside the years 1 to 9999, or `total_tokens` is below the sum of its parts or
over 2**63 - 1.
"""

import dataclasses
from inspect import cleandoc
from typing import Any, cast, get_origin

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.field_converter import DEFAULT_FIELD_MAPPING
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import EXCLUDE, Schema, fields

from .base import Payload
from .fields import NOT_IN_ID, Amount, Count, Days, Id, Json, JsonObject, Key, ModestObject, Text, Timestamp

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPENAPI_VERSION = "3.1.0"
_COMPONENTS = "#/components/schemas/"
_DEFS = "#/$defs/"

# Patterns mean the same in ECMA-262, Python, Go and Rust; hence `not`, because `$` may come before a last newline.
_NO_NUL = "^[^\\x00]*$"
_NO_ID = "^\\.{1,2}$|" + NOT_IN_ID
_NO_KEY = "[^\\x21-\\x7e]"
_RFC3339 = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_UNKNOWN = object()
_TYPES: dict[type, tuple[str | None, str | None]] = {
    **DEFAULT_FIELD_MAPPING,
    Count: ("integer", "int64"),
    Amount: ("number", "double"),
    Timestamp: ("string", "date-time"),
    JsonObject: ("object", None),
    ModestObject: ("object", None),
    fields.Enum: ("string", None),  # every one of ours is a StrEnum
}
_EXPLAINED = (
    Id,
    Key,
    ModestObject,
    Days,
    Json,
    Timestamp,
)  # their docstrings say more than JSON Schema keywords can
_NOT_NULL = ["object", "array", "string", "number", "boolean"]


class Converter(OpenAPIConverter):
    """Apispec's converter, extended by our own fields and the defaults of our models."""

    field_mapping = _TYPES

    def field2property(self, field: fields.Field[Any]) -> dict[str, Any]:
        """Return the JSON Schema of one field, with its limits."""
        said = {"description": cleandoc(type(field).__doc__ or "")} if isinstance(field, _EXPLAINED) else {}
        return {**said, **super().field2property(field), **_limits(field)}

    def field2default(self, field: fields.Field[Any], **kwargs: Any) -> dict[str, Any]:
        """Return the field's default; None means no default if the field may not be null."""
        return {} if field.load_default is None and not field.allow_none else super().field2default(field, **kwargs)

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        """Return the JSON Schema of one payload."""
        made: dict[str, Any] = super().schema2jsonschema(schema)
        for name, default in _defaults(schema).items():
            made["properties"][name]["default"] = default
        described = {"description": text} if (text := _description(schema)) else {}
        return {**described, **made, "additionalProperties": schema.unknown == EXCLUDE}


class JsonSchemaPlugin(MarshmallowPlugin):
    """Apispec's plugin with our converter; payloads are named as their schemas, without `Schema`."""

    Converter = Converter


def components(*schemas: type[Schema], at: str = _COMPONENTS) -> dict[str, dict[str, Any]]:
    """Return the named JSON Schemas of payloads and of all they contain; references are `at` + name."""
    plugin = JsonSchemaPlugin()
    spec = APISpec("", "", OPENAPI_VERSION, plugins=[plugin])
    for schema in schemas:
        cast("Any", plugin.converter).resolve_nested_schema(schema)
    found: dict[str, dict[str, Any]] = spec.to_dict().get("components", {}).get("schemas", {})
    return _moved(found, at)


def document(schema: type[Schema]) -> dict[str, Any]:
    """Return a payload's self-contained JSON Schema, with what it contains under `$defs`."""
    name = name_of(schema)
    defs = components(schema, at=_DEFS)
    return {"$schema": DIALECT, "title": name, **defs.pop(name), **({"$defs": defs} if defs else {})}


def name_of(schema: type[Schema]) -> str:
    """Return the name under which `components` lists a payload."""
    return schema.__name__.removesuffix("Schema")


def _limits(field: fields.Field[Any]) -> dict[str, Any]:
    match field:
        case Key():
            return {"minLength": field.shortest, "maxLength": field.longest, "not": {"pattern": _NO_KEY}}
        case Id():
            texts = {"type": "string"} if field.allow_none else {}  # null would match any pattern
            return {"minLength": field.shortest, "maxLength": field.longest, "not": {**texts, "pattern": _NO_ID}}
        case Text():
            least = {"minLength": field.shortest} if field.shortest else {}
            return {**least, "maxLength": field.longest, "pattern": _NO_NUL}
        case Timestamp():
            return {"pattern": _RFC3339, "examples": ["2026-01-31T12:00:00Z"]}
        case Json() if not isinstance(field, JsonObject) and not field.allow_none:
            return {"type": _NOT_NULL}
        case _:
            return {}


def _defaults(schema: Schema) -> dict[str, Any]:
    """Return the defaults of members that may be left out, if they are the same every time."""
    model = _model(schema)
    known = {field.name: _static(field) for field in dataclasses.fields(model)} if model else {}
    return {
        field.data_key or name: known[name]
        for name, field in schema.fields.items()
        if known.get(name, _UNKNOWN) is not _UNKNOWN and (known[name] is not None or field.allow_none)
    }


def _static(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    made = get_origin(field.default_factory)
    return made() if made in {list, dict} else _UNKNOWN


def _description(schema: Schema) -> str | None:
    model = _model(schema)
    said = type(schema).__doc__ or (model.__doc__ if model else None)
    return said and cleandoc(said)  # Python 3.13 takes the indent away by itself, earlier ones do not


def _model(schema: Schema) -> type[Any] | None:
    return schema.model if isinstance(schema, Payload) else None


def _moved(value: Any, at: str) -> Any:
    """Return the value with every reference to a component pointing to `at`."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {key: _ref(inner, at) if key == "$ref" else _moved(inner, at) for key, inner in pairs}
    return [_moved(inner, at) for inner in cast("list[Any]", value)] if isinstance(value, list) else value


def _ref(target: Any, at: str) -> Any:
    return at + target.removeprefix(_COMPONENTS) if isinstance(target, str) else _moved(target, at)
