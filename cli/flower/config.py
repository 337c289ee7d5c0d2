"""Flower's settings: who may log in, and what they may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate

from ...schemas.settings import Settings, setting

_LOGIN = re.compile(r"[^:\s]+:[\x21-\x7e]{8,}")
_NO_LOGIN = (
    "Must be USER:PASSWORD, or several of them separated by commas. A password has at least 8 characters (ASCII, "
    "no spaces or commas); `openssl rand -hex 16` makes a good one."
)


class Logins(fields.Field[tuple[str, ...]]):
    """The logins: `user:password`, separated by commas."""

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
        "FLOWER_BASIC_AUTH",
        Logins(),
        "",
        "Logins: USER:PASSWORD, separated by commas; required.",
        secret=True,
    )
    read_only: bool = setting(
        "FLOWER_READ_ONLY",
        fields.Boolean(),
        False,
        "If `true`, Flower sends no tasks and stops no workers, and its console changes nothing.",
    )
    show_payloads: bool = setting(
        "FLOWER_SHOW_PAYLOADS",
        fields.Boolean(),
        False,
        "If `true`, the console shows a dead letter's payload, which may be a conversation, to whoever asks for it.",
    )
    max_tasks: int = setting(
        "FLOWER_MAX_TASKS",
        fields.Integer(validate=validate.Range(1, 1_000_000)),
        10_000,
        "Tasks that Flower remembers; it forgets the oldest first.",
    )
