"""The Memory-Graph's settings, read from the environment."""

from collections.abc import Iterator
from dataclasses import dataclass

from marshmallow import fields

from ...schemas.settings import setting
from ..database.config import DatabaseSettings, DatabaseUrl
from ..web.config import BearerKeys


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
    """How the Memory-Graph runs."""

    keys: tuple[str, ...] = setting(
        "MEMORY_GRAPH_KEYS", BearerKeys(), "",
        "Bearer tokens that the Memory-Graph accepts, separated by commas; required unless "
        "`MEMORY_GRAPH_ALLOW_NO_KEYS`.", secret=True,
    )  # fmt: skip
    allow_no_keys: bool = setting(
        "MEMORY_GRAPH_ALLOW_NO_KEYS", fields.Boolean(), False,
        "Run the Memory-Graph without keys: whoever reaches its port reads and deletes every conversation.",
    )  # fmt: skip

    def mistakes(self) -> Iterator[str]:
        """Refuse to be open unless told so."""
        if not self.keys and not self.allow_no_keys:
            yield (
                "keys (MEMORY_GRAPH_KEYS): Missing: at least one key is needed; MEMORY_GRAPH_ALLOW_NO_KEYS=true lets "
                "anyone who reaches the port read and delete conversations."
            )
