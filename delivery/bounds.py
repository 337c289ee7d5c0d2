"""How many dead letters are kept, how large and how old."""

from dataclasses import dataclass
from datetime import datetime

from .timestamps import now


@dataclass(frozen=True)
class Bounds:
    """Beyond these the oldest letters are dropped. `names` are what the application calls the three in its settings."""

    most: int = 100_000
    most_bytes: int = 256 * 2**20
    kept_days: int = 90
    names: tuple[str, str, str] = ("most", "most_bytes", "kept_days")

    def nearly(self, count: int, size_bytes: int, oldest: datetime | None, share: float) -> str | None:
        """Say which bound is reached to more than this share, or None."""
        age_days = (now() - oldest).total_seconds() / 86_400 if oldest else 0.0
        most, most_bytes, kept_days = self.names
        full = {
            f"{count} of {self.most} letters ({most})": count / self.most,
            f"{size_bytes} of {self.most_bytes} bytes ({most_bytes})": size_bytes / self.most_bytes,
            f"the oldest is {age_days:.0f} of {self.kept_days} days old ({kept_days})": age_days / self.kept_days,
        }
        reached = [text for text, part in full.items() if part >= share]
        return f"Dead letters will soon be dropped: {'; '.join(reached)}." if reached else None
