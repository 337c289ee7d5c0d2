"""The archival sweep: its settings, its counts, and the result of each batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from marshmallow import fields, validate

from .compliance import ComplianceLevel
from .settings import Settings, number, setting


class Trigger(StrEnum):
    """Who asked for a sweep."""

    BEAT = "beat"
    WATCH = "watch"
    MANUAL = "manual"


@dataclass(frozen=True)
class ArchivalStats:
    """The counts of a sweep, as in docs/contract/wire.md, The archival scheduler."""

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


@dataclass(frozen=True)
class SchedulerConfig(Settings):
    """What the archival sweep archives, when, and for how long."""

    interval_hours: float = setting(
        "ARCHIVAL_INTERVAL_HOURS",
        fields.Float(validate=validate.Range(0, 8784, min_inclusive=False)),
        24.0,
        "Hours between sweeps.",
    )
    archive_after_days: float = setting(
        "ARCHIVAL_AFTER_DAYS",
        fields.Float(validate=validate.Range(0, 36_500)),
        30.0,
        "Age at which a finished session is due.",
    )
    retention_days: int = setting(
        "ARCHIVAL_RETENTION_DAYS",
        number(1, 365_000),
        365,
        "How long an archive is kept; at least the days of its compliance level.",
    )
    batch_size: int = setting("ARCHIVAL_BATCH_SIZE", number(1, 1000), 100, "Sessions that one batch task archives.")
    most_batches: int = setting(
        "ARCHIVAL_MOST_BATCHES", number(1, 10_000), 64, "A sweep's walk pauses while so many batches have no result."
    )
    default_compliance_level: ComplianceLevel = setting(
        "ARCHIVAL_COMPLIANCE_LEVEL",
        fields.Enum(ComplianceLevel, by_value=True),
        ComplianceLevel.STANDARD,
        "Compliance level of the sweep's archives: standard, hipaa, gdpr, pci or soc2.",
    )
    enabled: bool = setting("ARCHIVAL_ENABLED", fields.Boolean(), True, "Whether beat sends the sweep.")
    health_probes: bool = setting(
        "HEALTH_PROBES_ENABLED",
        fields.Boolean(),
        True,
        "Whether beat sends a health check of the Registry and of the Vault every minute.",
    )
    crontab: str | None = setting(
        "ARCHIVAL_CRONTAB", fields.String(), None, "When to sweep, as a crontab in UTC, instead of the interval."
    )
    archive_without_content: bool = setting(
        "ARCHIVE_WITHOUT_CONTENT", fields.Boolean(), False, "Archive the Registry's record without the conversation."
    )

    def mistakes(self) -> Iterator[str]:
        """Refuse a retention below the level's floor."""
        floor = self.default_compliance_level.least_days
        if self.retention_days < floor:
            yield (
                f"retention_days (ARCHIVAL_RETENTION_DAYS): {self.retention_days} is below the "
                f"{floor} days that {self.default_compliance_level} asks for."
            )

    def cutoff(self, moment: datetime) -> datetime:
        """Sessions that ended before this are due at `moment`."""
        return moment - timedelta(days=self.archive_after_days)
