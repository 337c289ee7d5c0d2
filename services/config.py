"""How the three services are set up, read from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..schemas.fields import now
from ..schemas.settings import Settings, setting

MIB = 2**20
_BACKENDS = {"sqlite", "postgresql"}


class DatabaseUrl(fields.Field[str]):
    """An SQLAlchemy address of an SQLite or PostgreSQL database."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        try:
            url = make_url(value)
        except ArgumentError:
            url = None
        # Every connection to sqlite's memory would see a database of its own.
        if url is None or url.get_backend_name() not in _BACKENDS or url.database in {None, "", ":memory:"}:
            raise ValidationError("Must be like sqlite:///file.db or postgresql+psycopg://user@host/name.")
        return str(value)


class Keys(fields.Field[tuple[str, ...]]):
    """Bearer keys with commas between, each printable ASCII without spaces."""

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


def size(most: int) -> fields.Integer:
    """A size in bytes, from one KiB."""
    return fields.Integer(validate=validate.Range(1024, most))


def address(host: str, port: int) -> str:
    """Host and port as one writes them, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def offset_secs() -> fields.Float:
    """Seconds to shift a clock by, at most 100 years either way."""
    return fields.Float(validate=validate.Range(-3_155_760_000, 3_155_760_000))


@dataclass(frozen=True)
class ServerConfig(Settings):
    """What the HTTP services share."""

    workers: int = setting(
        "SERVICE_WORKERS", fields.Integer(validate=validate.Range(1, 64)), 1, "Processes of an HTTP service."
    )
    threads: int = setting(
        "SERVICE_THREADS", fields.Integer(validate=validate.Range(1, 256)), 16, "Threads of each service's process."
    )


@dataclass(frozen=True)
class RegistryServiceConfig(Settings):
    """How a Registry of ours runs."""

    database_url: str = setting(
        "REGISTRY_DATABASE_URL", DatabaseUrl(), "sqlite:///registry.db", "Where the Registry keeps its records.",
        secret=True,
    )  # fmt: skip
    keys: tuple[str, ...] = setting(
        "REGISTRY_KEYS", Keys(), "", "Bearer keys that the Registry accepts, commas between; none: it is open.",
        secret=True,
    )  # fmt: skip
    max_body_bytes: int = setting("REGISTRY_MAX_BODY_BYTES", size(64 * MIB), MIB, "A larger request gets 413.")
    models_file: str | None = setting(
        "REGISTRY_MODELS_FILE", fields.String(), None, "A JSON array of ModelMetadata that the Registry starts with."
    )
    clock_offset_secs: float = setting(
        "REGISTRY_CLOCK_OFFSET_SECS", offset_secs(), 0.0, "Shifts the Registry's clock, for demos and tests."
    )

    def now(self) -> datetime:
        """The Registry's own time."""
        return now() + timedelta(seconds=self.clock_offset_secs)


@dataclass(frozen=True)
class VaultServiceConfig(Settings):
    """How a Vault of ours runs."""

    database_url: str = setting(
        "VAULT_DATABASE_URL", DatabaseUrl(), "sqlite:///vault.db", "Where the Vault keeps its archives.", secret=True
    )
    keys: tuple[str, ...] = setting(
        "VAULT_KEYS", Keys(needed=True), "", "Bearer keys that the Vault accepts, commas between; required.",
        secret=True,
    )  # fmt: skip
    max_body_bytes: int = setting(
        "VAULT_MAX_BODY_BYTES", size(1024 * MIB), 16 * MIB, "A larger request to the Vault gets 413."
    )
    max_entry_bytes: int = setting(
        "VAULT_MAX_ENTRY_BYTES", size(1024 * MIB), 8 * MIB, "A larger archive is refused (413; in a batch, it alone)."
    )
    clock_offset_secs: float = setting(
        "VAULT_CLOCK_OFFSET_SECS", offset_secs(), 0.0, "Shifts the Vault's clock, for demos and tests."
    )

    def now(self) -> datetime:
        """The Vault's own time."""
        return now() + timedelta(seconds=self.clock_offset_secs)


@dataclass(frozen=True)
class MemoryGraphServiceConfig(Settings):
    """How a Memory-Graph of ours runs."""

    database_url: str = setting(
        "MEMORY_GRAPH_DATABASE_URL", DatabaseUrl(), "sqlite:///memory-graph.db",
        "Where the Memory-Graph keeps its conversations.", secret=True,
    )  # fmt: skip
