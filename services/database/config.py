"""Where a service keeps its tables, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import ValidationError, fields
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ...schemas.settings import Settings, setting

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_OWN_URLS = "REGISTRY_DATABASE_URL, VAULT_DATABASE_URL and MEMORY_GRAPH_DATABASE_URL"


class DatabaseUrl(fields.Field[str]):
    """The SQLAlchemy URL of an SQLite or PostgreSQL database; PostgreSQL always uses the psycopg driver."""

    def __init__(self, *, is_shared: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_shared = is_shared

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):  # a ValueError quotes what it took for the port: a password's rest
            url = None
        # Each connection to SQLite's memory would see a database of its own.
        if url is None or url.drivername not in _DRIVERS or url.database in {None, "", ":memory:"}:
            raise ValidationError(
                "Must be like sqlite:///file.db or postgresql://user:password@host:5432/name; write @, : and / in a "
                "password as %40, %3A and %2F."
            )
        if self.is_shared and url.get_backend_name() == "sqlite":
            raise ValidationError(f"An SQLite file holds one service; give each service its own with {_OWN_URLS}.")
        return url.set(drivername=_DRIVERS[url.drivername]).render_as_string(hide_password=False)


@dataclass(frozen=True)
class DatabaseSettings(Settings):
    """Where a service keeps its tables: in its own database, or in one that all three share."""

    default_database_url: ClassVar[str]

    own_database_url: str | None = None
    shared_database_url: str | None = setting(
        "DATABASE_URL", DatabaseUrl(is_shared=True), None,
        "One PostgreSQL database for all services that have none of their own, a schema each.",
        secret=True,
    )  # fmt: skip

    @property
    def database_url(self) -> str:
        """The URL to connect to: the service's own, else the shared one, else the default file."""
        return self.own_database_url or self.shared_database_url or self.default_database_url
