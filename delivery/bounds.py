"""How many dead letters are kept, how large and how old."""

from dataclasses import dataclass, replace
from datetime import datetime

from .timestamps import now


@dataclass(frozen=True)
class Bounds:
    """Beyond the number or the bytes the largest group of letters gives way; what is older than the days is dropped.

    The quarantine, of what is no task, has a number and bytes of its own. `names` are what the application calls these
    five in its settings. With `hold_when_full` a group that fills a quarter of a bound holds its queue.
    """

    most: int = 100_000
    most_bytes: int = 256 * 2**20
    kept_days: int = 90
    quarantine_most: int = 10_000
    quarantine_bytes: int = 32 * 2**20
    hold_when_full: bool = False
    names: tuple[str, ...] = ("most", "most_bytes", "kept_days", "quarantine_most", "quarantine_bytes")

    @property
    def of_quarantine(self) -> "Bounds":
        """The bounds of the quarantine alone."""
        most, most_bytes, kept_days = (self.names[at] for at in (3, 4, 2))
        return replace(
            self, most=self.quarantine_most, most_bytes=self.quarantine_bytes, names=(most, most_bytes, kept_days)
        )

    def nearly(self, count: int, size_bytes: int, oldest: datetime | None, share: float) -> str | None:
        """Say which bound is reached to more than this share, or None."""
        age_days = (now() - oldest).total_seconds() / 86_400 if oldest else 0.0
        most, most_bytes, kept_days = self.names[:3]
        full = {
            f"{count} of {self.most} letters ({most})": count / self.most,
            f"{size_bytes} of {self.most_bytes} bytes ({most_bytes})": size_bytes / self.most_bytes,
            f"the oldest is {age_days:.0f} of {self.kept_days} days old ({kept_days})": age_days / self.kept_days,
        }
        reached = [text for text, part in full.items() if part >= share]
        return f"Dead letters will soon be dropped: {'; '.join(reached)}." if reached else None
