"""The Memory-Graph's settings, read from the environment."""

from dataclasses import dataclass

from ...schemas.settings import setting
from ..database.config import DatabaseSettings, DatabaseUrl


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
