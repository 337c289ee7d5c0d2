"""What the archival sweep tells: its counts, and what became of each session."""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one session in a sweep."""

    ARCHIVED = "archived"
    FAILED = "failed"
    SKIPPED = "skipped"


class Trigger(StrEnum):
    """Who asked for a sweep."""

    BEAT = "beat"
    WATCH = "watch"
    MANUAL = "manual"


@dataclass(frozen=True)
class ArchivalStats:
    """The counts of a sweep, as in `contract.md`, The archival scheduler."""

    total_processed: int = 0
    archived_count: int = 0
    failed_count: int = 0
    skipped_count: int = 0
    duration_ms: int = 0

    def success_rate(self) -> float:
        """Archived sessions in percent of all processed; 0 when nothing was processed."""
        return 100 * self.archived_count / self.total_processed if self.total_processed else 0.0


@dataclass(frozen=True)
class BatchResult:
    """What became of the sessions of one batch: the number archived, and why each other one was not."""

    archived: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
