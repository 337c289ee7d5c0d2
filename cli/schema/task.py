"""Every task as JSON Schema: its parameters and its result."""

import inspect
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints, is_typeddict

from marshmallow import EXCLUDE, RAISE, Schema, fields

from ...schemas.json_schema import DIALECT, components, name_of
from ...tasks import archival, registry, vault
from ...tasks.operation import CheckedTask
from ...tasks.parameters import PAYLOADS, WRITERS, Parameters, field_of, item_of

_DEFS = "#/$defs/"
_PLAIN: dict[Any, type[fields.Field[Any]]] = {
    str: fields.String,
    bool: fields.Boolean,
    int: fields.Integer,
    Any: fields.Raw,
}


class _Call(Schema):
    class Meta:
        unknown = RAISE
        register = False


class _Result(Schema):
    class Meta:
        unknown = EXCLUDE  # a later release may return more
        register = False


def every_task() -> dict[str, CheckedTask[Any]]:
    """All tasks by name, in the order of the modules that define them."""
    found = [value for module in (registry, vault, archival) for value in vars(module).values()]
    return {task.name: task for task in found if isinstance(task, CheckedTask)}


def parameters_schema(task: CheckedTask[Any]) -> dict[str, Any]:
    """The self-contained JSON Schema of a task's parameters, as one object."""
    ways = calls(task)
    defs = components(*ways, at=_DEFS)
    heading = {"$schema": DIALECT, "title": task.name, "description": explained(task)}
    if len(ways) == 1:
        return {**heading, **defs.pop(name_of(ways[0])), **({"$defs": defs} if defs else {})}
    return {**heading, "anyOf": [{"$ref": _DEFS + name_of(way)} for way in ways], "$defs": defs}


def answer_schema(task: CheckedTask[Any]) -> dict[str, Any] | None:
    """The JSON Schema of a task's result, or None if it has no result."""
    if not task.parameters.answers:
        return None
    holder = answer(task)
    defs = components(holder, at=_DEFS)
    result = defs.pop(name_of(holder))["properties"]["result"]
    return {"$schema": DIALECT, "title": f"{task.name}: result", **result, **({"$defs": defs} if defs else {})}


def calls(task: CheckedTask[Any]) -> list[type[Schema]]:
    """A schema for each way to call a task: by its parameters and, if one is a payload, by the payload's fields."""
    members, payload = _members(task.parameters), task.parameters.payload
    ways = [_schema(task.name, _Call, explained(task), members)]
    if payload:
        own = {name: field for name, field in members.items() if name != payload}
        kind = type(PAYLOADS[task.parameters.hints[payload]])
        ways.append(_schema(f"{task.name}.fields", kind, f"The same call, by the fields of its `{payload}`.", own))
    return ways


def answer(task: CheckedTask[Any]) -> type[Schema]:
    """A schema whose field `result` is the task's result."""
    return record(f"{task.name}.answer", {"result": task.parameters.returns}, f"The result of {task.name}.")


def record(name: str, hints: dict[str, Any], description: str) -> type[Schema]:
    """A schema made of annotated members, each in its JSON form."""
    return _schema(name, _Call, description, {member: _written(hint) for member, hint in hints.items()})


def explained(task: CheckedTask[Any]) -> str:
    """What a task does: its docstring."""
    return inspect.getdoc(type(task)) or ""


def _schema(name: str, base: type[Schema], description: str, members: dict[str, Any]) -> type[Schema]:
    return cast("type[Schema]", type(name, (base,), {**members, "__doc__": description}))


def _members(parameters: Parameters) -> dict[str, fields.Field[Any]]:
    found = {name: _taken(hint) for name, hint in parameters.hints.items()}
    for name, parameter in parameters.signature.parameters.items():
        found[name].required = parameter.default is parameter.empty
        if isinstance(parameter.default, Enum):
            found[name].load_default = parameter.default
    return found


def _taken(hint: Any) -> fields.Field[Any]:
    """The field that reads a parameter; a payload is nested."""
    if hint in PAYLOADS:
        return fields.Nested(type(PAYLOADS[hint]))
    return fields.List(_taken(item_of(hint))) if item_of(hint) in PAYLOADS else field_of(hint)


def _written(hint: Any) -> fields.Field[Any]:
    """The field that writes a value; a model is nested."""
    if hint in WRITERS:
        return fields.Nested(type(WRITERS[hint]))
    if isinstance(hint, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        field = _written(parts[0]) if len(parts) == 1 else fields.Raw()
        field.allow_none = True
        return field
    if get_origin(hint) is dict:
        return fields.Dict(keys=fields.String(), values=_written(get_args(hint)[1]))
    if is_typeddict(hint):
        return fields.Nested(_typed_dict(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return fields.Enum(hint, by_value=True)
    return _PLAIN[hint]()


@cache  # one schema each, since several tasks may return the same
def _typed_dict(hint: Any) -> type[Schema]:
    members = {name: _written(kind) for name, kind in get_type_hints(hint).items()}
    for name in hint.__required_keys__:
        members[name].required = True
    return _schema(hint.__name__, _Result, inspect.getdoc(hint) or "", members)
