"""How commands word counts and times."""

from datetime import UTC, datetime

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def counted(count: int, noun: str) -> str:
    """A number with its noun, like `1 warning` or `2 warnings`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago that was, in the largest unit that fits: `3 h ago`."""
    return f"{duration(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def duration(secs: float) -> str:
    """So many seconds, in the largest unit that fits: `3 h`."""
    whole = max(0, int(secs))
    unit, size = next(((unit, size) for unit, size in _UNITS if whole >= size), _UNITS[-1])
    return f"{whole // size} {unit}"
