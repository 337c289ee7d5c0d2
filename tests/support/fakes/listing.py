"""A Registry in this process that lists what a test gives it."""

from typing import Any

from memory_graph_workers.clients.errors import ConnectionError, SerializationError
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionList, SessionListSchema, SessionStatus

OLD = "2020-01-31T12:00:00Z"
SIZE = 3


def row(session_id: str, status: str = "completed", **others: Any) -> dict[str, Any]:
    """One session as a Registry lists it; it ended years ago."""
    return {"session_id": session_id, "model_id": "m", "started_at": OLD, "ended_at": OLD, "status": status, **others}


class Registry:
    """Lists its rows page by page, whatever hint it gets; away once `away_at` pages were listed."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.listings, self.away_at = 0, 1_000

    def list_sessions(self, page: int | None, size: int, status: SessionStatus | None = None, **_: Any) -> SessionList:
        """Return one page, read as the client reads it."""
        if self.listings >= self.away_at:
            raise ConnectionError("away")
        self.listings += 1
        first = ((page or 1) - 1) * size
        listed = {"sessions": self.rows[first : first + size], "total": len(self.rows), "page": page or 1}
        try:
            return SessionListSchema().read(listed)
        except ValidationError as error:
            raise SerializationError("the response breaks the contract") from error
