"""Settings that the services share, and the fields that their own settings are made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate

from ...schemas.fields import now
from ...schemas.settings import Settings, setting

MIB = 2**20
_CENTURY_SECS = 3_155_760_000


class BearerKeys(fields.Field[tuple[str, ...]]):
    """Comma-separated bearer keys, each printable ASCII without spaces."""

    def __init__(self, *, needed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.needed = needed

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        listed = value.split(",") if isinstance(value, str) else value
        keys = tuple(key.strip() for key in listed if key.strip())
        if not all(re.fullmatch(r"[\x21-\x7e]+", key) for key in keys):
            raise ValidationError("Must be printable ASCII without spaces, with commas between keys.")
        if self.needed and not keys:
            raise ValidationError("Missing: at least one key is needed.")
        return keys


def size_bytes(largest: int) -> fields.Integer:
    """A size in bytes, from one KiB to `largest`."""
    return fields.Integer(validate=validate.Range(1024, largest))


def offset_secs() -> fields.Float:
    """Seconds to shift a clock by, at most 100 years either way."""
    return fields.Float(validate=validate.Range(-_CENTURY_SECS, _CENTURY_SECS))


def address(host: str, port: int) -> str:
    """`host:port`, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class ShiftedClock:
    """Gives a service's settings a clock that `clock_offset_secs` shifts."""

    clock_offset_secs: float

    def now(self) -> datetime:
        """The current time of this service's clock."""
        return now() + timedelta(seconds=self.clock_offset_secs)


@dataclass(frozen=True)
class ServerConfig(Settings):
    """How many processes and threads a service runs with."""

    workers: int = setting(
        "SERVICE_WORKERS", fields.Integer(validate=validate.Range(1, 64)), 1, "Processes of each HTTP service."
    )
    threads: int = setting(
        "SERVICE_THREADS", fields.Integer(validate=validate.Range(1, 256)), 16, "Threads of each service's process."
    )
