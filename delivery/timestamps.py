"""Times as Redis keeps them: text as in RFC 3339, in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def format_timestamp(time: datetime) -> str:
    """A time as text, like 2026-03-01T12:00:00.5Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment_of(seconds: float) -> datetime | None:
    """The time so many seconds after the beginning of 1970; None if that is no date."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def parse_timestamp(text: str) -> datetime:
    """The time that `format_timestamp` wrote."""
    return datetime.fromisoformat(text)
