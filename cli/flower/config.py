"""Flower's settings: who may log in, and what they may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate

from ...schemas.settings import Settings, setting

_LOGIN = re.compile(r"[^:\s]+:[\x21-\x7e]{8,}")
_NO_LOGIN = (
    "Must be USER:PASSWORD, a password of at least 8 characters (ASCII, no space, no comma), several with commas "
    "between. `openssl rand -hex 16` makes a good password."
)


class Logins(fields.Field[tuple[str, ...]]):
    """Who may come in: `user:password`, with commas between."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        logins = tuple(login.strip() for login in (value.split(",") if isinstance(value, str) else value))
        if not all(login.isascii() and _LOGIN.fullmatch(login) for login in logins):
            raise ValidationError(_NO_LOGIN)
        return logins


@dataclass(frozen=True)
class FlowerConfig(Settings):
    """How Flower runs."""

    logins: tuple[str, ...] = setting(
        "FLOWER_BASIC_AUTH", Logins(), "", "Who may use Flower: USER:PASSWORD, commas between; required.", secret=True
    )
    read_only: bool = setting(
        "FLOWER_READ_ONLY", fields.Boolean(), False, "Flower shows, but sends no task and stops no worker."
    )
    max_tasks: int = setting(
        "FLOWER_MAX_TASKS",
        fields.Integer(validate=validate.Range(1, 1_000_000)),
        10_000,
        "Tasks that Flower remembers; the oldest are forgotten first.",
    )
