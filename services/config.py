"""How the three services are set up, read from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..schemas.fields import now
from ..schemas.settings import Settings, setting
from .vault.keys import KeyRing, read_ring

MIB = 2**20
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_OWN_URLS = "REGISTRY_DATABASE_URL, VAULT_DATABASE_URL and MEMORY_GRAPH_DATABASE_URL"


class DatabaseUrl(fields.Field[str]):
    """An SQLAlchemy address of an SQLite or PostgreSQL database; PostgreSQL is spoken to by psycopg."""

    def __init__(self, *, is_shared: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_shared = is_shared

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):  # the second one quotes what it took for the port: a password's rest
            url = None
        # Every connection to sqlite's memory would see a database of its own.
        if url is None or url.drivername not in _DRIVERS or url.database in {None, "", ":memory:"}:
            raise ValidationError(
                "Must be like sqlite:///file.db or postgresql://user:password@host:5432/name; write @, : and / in a "
                "password as %40, %3A and %2F."
            )
        if self.is_shared and url.get_backend_name() == "sqlite":
            raise ValidationError(f"An SQLite file holds one service; give each its own by {_OWN_URLS}.")
        return url.set(drivername=_DRIVERS[url.drivername]).render_as_string(hide_password=False)


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


class EncryptionKeys(fields.Field[KeyRing]):
    """The Vault's master keys: each 32 bytes in base64, commas between."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> KeyRing:
        if isinstance(value, KeyRing):
            return value
        try:
            return read_ring([key.strip() for key in str(value).split(",") if key.strip()])
        except ValueError as error:
            raise ValidationError(str(error)) from error


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
class DatabaseSettings(Settings):
    """Where a service keeps its tables: in a database of its own, or in the one that all three share."""

    default_database_url: ClassVar[str]

    own_database_url: str | None = None
    shared_database_url: str | None = setting(
        "DATABASE_URL", DatabaseUrl(is_shared=True), None,
        "A PostgreSQL database for all three services, a schema each, where a service has none of its own.",
        secret=True,
    )  # fmt: skip

    @property
    def database_url(self) -> str:
        """The address that counts."""
        return self.own_database_url or self.shared_database_url or self.default_database_url


@dataclass(frozen=True)
class RegistryDatabase(DatabaseSettings):
    """Where the Registry keeps its records."""

    default_database_url = "sqlite:///registry.db"

    own_database_url: str | None = setting(
        "REGISTRY_DATABASE_URL", DatabaseUrl(), None,
        "Where the Registry keeps its records; default: `DATABASE_URL`, else `sqlite:///registry.db`.", secret=True,
    )  # fmt: skip


@dataclass(frozen=True)
class RegistryServiceConfig(RegistryDatabase):
    """How a Registry of ours runs."""

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
class VaultDatabase(DatabaseSettings):
    """Where the Vault keeps its archives."""

    default_database_url = "sqlite:///vault.db"

    own_database_url: str | None = setting(
        "VAULT_DATABASE_URL", DatabaseUrl(), None,
        "Where the Vault keeps its archives; default: `DATABASE_URL`, else `sqlite:///vault.db`.", secret=True,
    )  # fmt: skip


@dataclass(frozen=True)
class VaultServiceConfig(VaultDatabase):
    """How a Vault of ours runs."""

    keys: tuple[str, ...] = setting(
        "VAULT_KEYS", Keys(needed=True), "", "Bearer keys that the Vault accepts, commas between; required.",
        secret=True,
    )  # fmt: skip
    encryption_keys: KeyRing = setting(
        "VAULT_ENCRYPTION_KEYS", EncryptionKeys(), "",
        "Keys for archives at rest, commas between; the first encrypts, all decrypt; required.", secret=True,
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
class MemoryGraphDatabase(DatabaseSettings):
    """Where the Memory-Graph keeps its conversations."""

    default_database_url = "sqlite:///memory-graph.db"

    own_database_url: str | None = setting(
        "MEMORY_GRAPH_DATABASE_URL", DatabaseUrl(), None,
        "Where the Memory-Graph keeps its conversations; default: `DATABASE_URL`, else `sqlite:///memory-graph.db`.",
        secret=True,
    )  # fmt: skip


@dataclass(frozen=True)
class MemoryGraphServiceConfig(MemoryGraphDatabase):
    """How a Memory-Graph of ours runs."""
