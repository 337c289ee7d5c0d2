"""Reading some sessions of a batch and their conversations together, where the services take that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ...clients.errors import TransientError
from ...schemas.registry import SessionInfo
from .. import connections
from .reasons import CONCERNS_ALL
from .session import Prepared, is_due

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """What is known of a session: itself, and its conversation; None is to be read alone."""

    session_id: str
    session: SessionInfo | None = None
    nodes: Sequence[Any] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to read."""
        return self.session is not None and self.nodes is not None


def read_together(session_ids: Sequence[str], cutoff: datetime) -> list[Known]:
    """Read sessions, and then the conversations of those that are due.

    Raises: TransientError if a service gave no response.
    """
    sessions = _known_of(connections.registry().get_sessions, session_ids)
    due = [session_id for session_id, session in sessions.items() if is_due(session, cutoff)]
    nodes: dict[str, list[Any]] = {}
    if due and not connections.config().scheduler.archive_without_content:
        nodes = _known_of(connections.memory_graph().get_conversations, due)
    return [Known(session_id, sessions.get(session_id), nodes.get(session_id)) for session_id in session_ids]


def count_together(prepared: Sequence[Prepared]) -> dict[str, int]:
    """Return how many nodes each session has now; one that is left out is to be counted alone.

    Raises: TransientError if the graph gave no response.
    """
    session_ids = [item.session.session_id for item in prepared if item.node_count]
    return _known_of(connections.memory_graph().count_conversations, session_ids) if session_ids else {}


def _known_of(read: Callable[[Sequence[str]], dict[str, T]], session_ids: Sequence[str]) -> dict[str, T]:
    """Return what one call finds of some sessions; nothing after a failure that may be the fault of one of them."""
    try:
        return read(session_ids)
    except (TransientError, *CONCERNS_ALL):
        raise
    except Exception:  # noqa: BLE001  alone, each has an outcome of its own
        return {}
