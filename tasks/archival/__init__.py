"""The archival sweep: find aged sessions, archive them in batches, mark them as archived."""

from .state import sweeps
from .tasks import (
    archive_batch,
    archive_session,
    archive_sessions,
    create_compliance_policy,
    create_standard_policy,
    sweep,
    walk_page,
    watch,
)

__all__ = [
    "archive_batch",
    "archive_session",
    "archive_sessions",
    "create_compliance_policy",
    "create_standard_policy",
    "sweep",
    "sweeps",
    "walk_page",
    "watch",
]
