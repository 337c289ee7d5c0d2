"""The Registry's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..database.storage import JsonText, RowNumber, UtcDateTime, new_metadata
from ..web.idempotency import StoredResponse


class Base(DeclarativeBase):
    """All tables of the Registry."""

    metadata = new_metadata("registry")


class IdempotentResponse(StoredResponse, Base):
    """Responses stored for repeated Idempotency-Keys."""

    __tablename__ = "answers"


class SessionRecord(Base):
    """A registered session; `number` is the order of registration and is never reused.

    The last three columns hold the latest end and reopening by the times that their senders asked for them; one
    that was sent without its time counts with its arrival.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_by_status", "status", "number", "started_at"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(String(256), unique=True)
    model_id: Mapped[str] = mapped_column(String(256))
    model_version: Mapped[str] = mapped_column(String(256))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    details: Mapped[Any] = mapped_column(JsonText)
    tags: Mapped[Any] = mapped_column(JsonText)
    ending_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ending_status: Mapped[str | None] = mapped_column(String(16))
    reopening_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SessionBlock(Base):
    """How many sessions of a block of 1024 numbers have a status, and bounds of when they started and ended.

    A session without an end counts with its start.
    """

    __tablename__ = "session_blocks"

    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    sessions: Mapped[int] = mapped_column(Integer)
    first_start: Mapped[datetime] = mapped_column(UtcDateTime)
    last_start: Mapped[datetime] = mapped_column(UtcDateTime)
    first_end: Mapped[datetime] = mapped_column(UtcDateTime)
    last_end: Mapped[datetime] = mapped_column(UtcDateTime)


class ModelRecord(Base):
    """A model that a registration, a usage report or the models file named."""

    __tablename__ = "models"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(String(256), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    details: Mapped[Any] = mapped_column(JsonText)


class UsageRecord(Base):
    """One usage report, numbered in the order of arrival; it outlives its session, without its metadata."""

    __tablename__ = "usage_reports"
    __table_args__ = (Index("usage_by_session", "session_number"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    session_number: Mapped[int | None] = mapped_column(ForeignKey("sessions.number", ondelete="SET NULL"))
    model_id: Mapped[str] = mapped_column(String(256))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    total_tokens: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int | None] = mapped_column(BigInteger)
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    details: Mapped[Any] = mapped_column(JsonText)


class UsageDay(Base):
    """The newest number of `usage_reports` when a day, counted from 1970, was first noted."""

    __tablename__ = "usage_days"

    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int] = mapped_column(BigInteger)


class UsageKey(Base):
    """The key of a report that was counted, a digest of its fields, and the day, counted from 1970, it came."""

    __tablename__ = "usage_keys"
    __table_args__ = (Index("usage_keys_by_day", "day"), {"sqlite_with_rowid": False})

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    fields: Mapped[bytes] = mapped_column(LargeBinary(16))
    day: Mapped[int] = mapped_column(Integer)


class UsageTotals:
    """The totals of usage reports, with a column for each of TOKEN_KINDS.

    `latency_ms` is that of the `timed_reports`, which had one.
    """

    reports: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    total_tokens: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    timed_reports: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tool_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    audio_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class SessionUsage(UsageTotals, Base):
    """The running total of a session, deleted with it."""

    __tablename__ = "session_usage"

    session_number: Mapped[int] = mapped_column(
        ForeignKey("sessions.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class ModelUsage(UsageTotals, Base):
    """One of the parts that a model's running total is the sum of."""

    __tablename__ = "model_usage"

    model_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
