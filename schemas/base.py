"""The two kinds of payload: a request refuses unknown fields, a response ignores them."""

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, NoReturn, TypeVar, cast

import marshmallow
from marshmallow import EXCLUDE, RAISE, Schema, fields

from .canonical import derived_id

M = TypeVar("M")

_LONGEST_NAME = 64
_CHECKED_BY, _WRITTEN = "_checked_by", "_written"
_UNWRITTEN: tuple[Any, dict[str, Any]] = None, {}


class ValidationError(marshmallow.ValidationError):
    """A payload that breaks its schema; `messages` maps each field's name to what is wrong with it.

    Correct the fields that it names, and send again: nothing was sent.

    It carries no value of the payload, so it may be logged, pickled and stored (`showable`).
    """

    showable: ClassVar[bool] = True
    dead_letter_reason: ClassVar[str] = "invalid_payload"
    messages: dict[str, Any] | list[Any]

    def __init__(self, messages: dict[str, Any] | list[Any] | str) -> None:
        super().__init__(messages)


class Payload(Schema, Generic[M]):
    """A schema that reads JSON values into its model and writes the model as JSON values."""

    model: ClassVar[type[Any]]
    lenient: ClassVar[bool] = False  # ignores unknown fields, and null in a field that may not be null

    def load(self, data: Any, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Validate decoded JSON and return its model, as marshmallow does; valid payloads take a third of the time."""
        usual = type(data) is dict and not any(options.values())
        made = self._fast_path(cast("dict[str, Any]", data)) if usual else None
        return super().load(data, **options) if made is None else made

    def check(self, data: dict[str, Any]) -> None:
        """Check the rules between fields; may fill in a field that follows from others.

        Raises: ValidationError naming each field.
        """

    @marshmallow.validates_schema
    def check_whole(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Run `check` as a hook of marshmallow."""
        self.check(data)

    def _fast_path(self, payload: dict[str, Any]) -> Any:
        """Return the model of a valid payload, else None: then marshmallow validates again and reports the errors."""
        try:
            plain = self._plain_values(payload)
            if plain is not None:
                return self._of_plain(plain, payload)
            values = self._values(payload)
            if values is None:
                return None
            self.check(values)
        except marshmallow.ValidationError:
            return None
        return self.model(**values)

    def _values(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        values: dict[str, Any] = {}
        for key, value in payload.items():
            name, field = self._by_key.get(key, ("", None))
            if field is None or (value is None and not field.allow_none):
                if self.lenient:
                    continue
                return None
            values[name] = None if value is None else field._deserialize(value, key, payload)
            if field.validators and value is not None:
                field._validate(values[name])
        return values if self._needed <= values.keys() else None

    def _plain_values(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return the values of a payload that has all fields, is certainly valid, and is what `as_json` writes of it.

        None says nothing. For schemas of what comes in great numbers, almost all of it from our own producers.
        """
        return None

    def _of_plain(self, values: dict[str, Any], payload: dict[str, Any]) -> Any:
        """Return the model of a plain payload, with what `as_json` returns of it."""
        model = object.__new__(self.model)
        # `__init__` of a frozen model is slow: it sets one field after the other. `_WRITTEN` is no field.
        vars(model).update(values, **{_WRITTEN: (type(self), dict(payload))})
        return model

    @cached_property
    def _by_key(self) -> dict[str, tuple[str, Any]]:
        return {_key(field, name): (name, field) for name, field in self.fields.items()}

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset(name for name, field in self.fields.items() if field.required)

    def read(self, payload: Any) -> M:
        """Validate decoded JSON and return its model; absent fields get the model's defaults.

        Raises: ValidationError naming each field.
        """
        return cast(M, self.load(payload))

    @marshmallow.post_load
    def make_model(self, data: dict[str, Any], **kwargs: Any) -> Any:
        """Return the model of validated values."""
        return self.model(**data)

    def write(self, model: M) -> dict[str, Any]:
        """Validate a model and return its JSON values, without fields that are None and may not be null.

        Raises: ValidationError naming each field, also if a value has the wrong Python type.
        """
        return self.as_json(self.read(self.given(model)))

    def given(self, model: Any) -> dict[str, Any]:
        """Return the values of a model that has some of the fields, unvalidated, without None that may not be null."""
        keyed = {key: getattr(model, name) for key, (name, _) in self._by_key.items() if hasattr(model, name)}
        return self._given(keyed)

    def as_json(self, model: M) -> dict[str, Any]:
        """Return the JSON values of a model that was validated before."""
        schema, written = getattr(model, _WRITTEN, _UNWRITTEN)
        if schema is type(self):
            return dict(written)
        fields = self._by_key.items()
        return self._given({key: field._serialize(getattr(model, name), name, model) for key, (name, field) in fields})

    def _given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Drop None from fields that may not be null."""
        absent = self._never_null
        return {key: value for key, value in values.items() if value is not None or key not in absent}

    @cached_property
    def _never_null(self) -> frozenset[str]:
        return frozenset(_key(field, name) for name, field in self.fields.items() if not field.allow_none)

    def handle_error(self, error: marshmallow.ValidationError, data: Any, **kwargs: Any) -> NoReturn:
        """Raise our error, which names the fields and drops their values."""
        raise ValidationError(_shortened(error.messages)) from None


class Request(Payload[M]):
    """A payload that we send; unknown fields are refused as typos.

    `identity` names the field with the payload's id and `moment` the one with its time. The sender sets both;
    `receive` settles those that it left out.
    """

    identity: ClassVar[str | None] = None
    moment: ClassVar[str | None] = None

    class Meta:
        unknown = RAISE

    def write(self, model: M) -> dict[str, Any]:
        """Validate a model and return its JSON values; a time that is None is left to the server.

        A model that came from `receive` of this schema, or of a stricter one, is not validated again.
        Raises: ValidationError naming each field, also if a value has the wrong Python type.
        """
        if issubclass(getattr(model, _CHECKED_BY, object), type(self)):
            return self.as_json(model)
        return self._left_to_server(super().write(model), model)

    def as_json(self, model: M) -> dict[str, Any]:
        """Return the JSON values of a model that was validated before; a time that is None is left to the server."""
        return self._left_to_server(super().as_json(model), model)

    def _left_to_server(self, written: dict[str, Any], model: M) -> dict[str, Any]:
        if self.moment and getattr(model, self.moment) is None:
            written.pop(self.moment, None)
        return written

    def receive(self, payload: Any, seed: str) -> M:
        """Read a payload that may run twice: an absent id is derived from `seed`, an absent time stays absent.

        Neither the payload nor the model must be changed before the model is written.
        Raises: ValidationError naming each field.
        """
        if type(payload) is not dict and not isinstance(payload, Mapping):
            return self._as_checked(self.read(payload))
        given = cast("Mapping[str, Any]", payload)
        if self.identity and self.identity not in given:
            given = {**given, self.identity: derived_id("payload", seed)}
        model = self.read(given)
        if self.moment and self.moment not in given:
            model = cast(M, dataclasses.replace(cast(Any, model), **{self.moment: None}))
        return self._as_checked(model)

    def _as_checked(self, model: Any) -> M:
        object.__setattr__(model, _CHECKED_BY, type(self))  # not a field, so equality and `replace` ignore it
        return model


class Response(Payload[M]):
    """A payload that a service returns; unknown fields are ignored, because servers grow."""

    lenient = True

    class Meta:
        unknown = EXCLUDE

    @marshmallow.pre_load
    def null_is_absent(self, payload: Any, **kwargs: Any) -> Any:
        """Treat null as absent if the field may not be null (Go writes an empty list that way)."""
        return self._given(cast("dict[str, Any]", payload)) if isinstance(payload, dict) else payload

    @marshmallow.post_dump
    def absent_is_left_out(self, written: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Leave out None if the field may not be null: a strict client refuses null there."""
        return self._given(written)


def _key(field: fields.Field[Any], name: str) -> str:
    return field.data_key or name


def _shortened(messages: Any) -> Any:
    """Truncate long field names, which come from the sender, too."""
    if isinstance(messages, dict):
        pairs = cast("Iterable[tuple[Any, Any]]", messages.items())  # pyright: ignore[reportUnknownMemberType]
        return {str(name)[:_LONGEST_NAME]: _shortened(value) for name, value in pairs}
    return messages
