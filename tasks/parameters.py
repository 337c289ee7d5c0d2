"""The parameters of a task: checked in the producer, and again in the worker."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

import marshmallow
from marshmallow import fields

from ..schemas.base import Payload, Request, ValidationError
from ..schemas.fields import AskedAt, Count, Id, JsonObject, Switch, Timestamp, format_timestamp, now

# The schemas of what tasks take, and of what they take or return, by model; filled by the modules of tasks.
PAYLOADS: dict[Any, Request[Any]] = {}
WRITERS: dict[Any, Payload[Any]] = {}


def payloads(*schemas: Payload[Any]) -> None:
    """Let tasks take the models of these requests, and return the models of all these schemas."""
    for schema in schemas:
        WRITERS[schema.model] = schema
        if isinstance(schema, Request):
            PAYLOADS[schema.model] = schema


class Parameters:
    """The parameters of a function, checked by its annotations.

    A message carries every parameter by name, and a payload as its JSON. A task with one payload also takes the
    payload's fields as keywords.
    """

    def __init__(self, function: Callable[..., Any], skip: int = 0) -> None:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[skip:]
        self.signature = inspect.Signature(own)
        self.hints: dict[str, Any] = {parameter.name: hints[parameter.name] for parameter in own}
        self.returns = hints.get("return")
        self.answers = self.returns is not type(None)
        payloads = [name for name, hint in self.hints.items() if hint in PAYLOADS]
        self.payload = payloads[0] if len(payloads) == 1 else None
        needed = {parameter.name for parameter in own if parameter.default is parameter.empty}
        self._fields_suffice = needed == {self.payload}
        self._moments = [name for name, hint in self.hints.items() if field_class_of(hint) is AskedAt]

    @property
    def shown(self) -> str:
        """The parameters as a sender in any language knows them: their names, and which may be left out."""
        return f"({', '.join(str(one.replace(annotation=one.empty)) for one in self.signature.parameters.values())})"

    def to_send(self, args: Sequence[Any], kwargs: Mapping[str, Any], task_id: str | None = None) -> dict[str, Any]:
        """Check a call before it is sent, and fix the values that would differ in each run (times, random ids).

        If the sender chose the task's id, absent ids are derived from it: a call that is sent twice is the same.
        Raises: ValidationError naming each field, TypeError if a parameter is unknown or missing.
        """
        bound = self._bound(args, kwargs)
        moments = {name: now() for name in self._moments if bound.get(name) is None}
        return self._each({**bound, **moments}, lambda hint, value: _sent(hint, value, task_id))

    def received(self, args: Sequence[Any], kwargs: Mapping[str, Any], seed: str) -> dict[str, Any]:
        """Check a call that came from the queue; values that its sender left out are the same in every run.

        Raises: ValidationError naming each field or parameter.
        """
        try:
            bound = self._bound(args, kwargs)
        except TypeError as error:
            raise ValidationError({"parameters": [f"Must be those of {self.shown}."]}) from error
        return self._each(bound, lambda hint, value: _received(hint, value, seed))

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.payload and not args and self.payload not in kwargs and self._names_fields(kwargs):
            own = {name: value for name, value in kwargs.items() if name in self.hints}
            kwargs = {**own, self.payload: {name: value for name, value in kwargs.items() if name not in own}}
            if self._fields_suffice:
                return kwargs  # no parameter is missing and unknown names are fields, so skip the slow `signature.bind`
        return self.signature.bind(*args, **kwargs).arguments

    def _names_fields(self, kwargs: Mapping[str, Any]) -> bool:
        return not PAYLOADS[self.hints[self.payload or ""]].fields.keys().isdisjoint(kwargs)

    def _each(self, bound: Mapping[str, Any], convert: Callable[[Any, Any], Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        mistakes: dict[str, Any] = {}
        for name, value in bound.items():
            try:
                values[name] = convert(self.hints[name], value)
            except marshmallow.ValidationError as error:
                # Errors name a payload's fields directly, everything else by its parameter.
                inside = error.messages if name == self.payload else {name: error.messages}
                mistakes.update(cast("dict[str, Any]", inside))
        if mistakes:
            raise ValidationError(mistakes)
        return values


def as_json(result: Any) -> Any:
    """Return a task's result as JSON values."""
    schema = WRITERS.get(type(result))
    return schema.as_json(result) if schema else result


def _sent(hint: Any, value: Any, task_id: str | None) -> Any:
    if hint in PAYLOADS:
        return _sent_payload(PAYLOADS[hint], value, task_id)
    if item_of(hint) in PAYLOADS:
        schema = PAYLOADS[item_of(hint)]
        return _in_list(value, lambda index, item: _sent_payload(schema, item, task_id and f"{task_id}:{index}"))
    checked = field_of(hint).deserialize(value)
    if isinstance(checked, datetime):
        return format_timestamp(checked)
    return checked.value if isinstance(checked, Enum) else checked


def _received(hint: Any, value: Any, seed: str) -> Any:
    if hint in PAYLOADS:
        return PAYLOADS[hint].receive(value, seed)
    if item_of(hint) in PAYLOADS:
        receive = PAYLOADS[item_of(hint)].receive
        return _in_list(value, lambda index, item: receive(item, f"{seed}:{index}"))
    return field_of(hint).deserialize(value)


def _sent_payload(schema: Request[Any], value: Any, seed: str | None) -> dict[str, Any]:
    if isinstance(value, schema.model):
        return schema.write(value)
    return schema.as_json(schema.receive(value, seed) if seed else schema.read(value))


def _in_list(value: Any, convert: Callable[[int, Any], Any]) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValidationError("Not a list.")
    found: list[Any] = []
    mistakes: dict[str, Any] = {}
    for index, item in enumerate(cast("list[Any]", value)):
        try:
            found.append(convert(index, item))
        except marshmallow.ValidationError as error:
            mistakes[str(index)] = error.messages
    if mistakes:
        raise ValidationError(mistakes)
    return found


def item_of(hint: Any) -> Any:
    """Return the type of a list's items; None if the hint is no list."""
    return get_args(hint)[0] if get_origin(hint) in (list, Sequence) else None


def field_class_of(hint: Any) -> Any:
    """Return the class of field that `Annotated` names for a parameter, if it does."""
    return hint.__metadata__[0] if get_origin(hint) is Annotated else None


def field_of(hint: Any) -> fields.Field[Any]:
    """Return the field that checks a plain parameter: the one that `Annotated` names, else that of its type."""
    if named := field_class_of(hint):
        return named()
    optional = type(None) in get_args(hint)
    kind = next((part for part in get_args(hint) if part is not type(None)), hint) if optional else hint
    if get_origin(kind) in (list, Sequence):
        return fields.List(field_of(get_args(kind)[0]), allow_none=optional)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return fields.Enum(kind, by_value=True, allow_none=optional)
    plain: dict[Any, type[fields.Field[Any]]] = {str: Id, int: Count, bool: Switch, datetime: Timestamp}
    return plain.get(kind, JsonObject)(allow_none=optional)
