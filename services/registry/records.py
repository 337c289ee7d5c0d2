"""The Registry's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..database.storage import JsonText, Moment, Number, tables_of
from ..web.idempotency import KeptAnswer


class Base(DeclarativeBase):
    """All tables of the Registry."""

    metadata = tables_of("registry")


class Answer(KeptAnswer, Base):
    """Answers kept for repeated Idempotency-Keys."""

    __tablename__ = "answers"


class SessionRecord(Base):
    """A registered session; `number` is the order of registration and never comes twice."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_by_status", "status", "number", "started_at"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(String(256), unique=True)
    model_id: Mapped[str] = mapped_column(String(256))
    model_version: Mapped[str] = mapped_column(String(256))
    started_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[str] = mapped_column(String(16))
    details: Mapped[Any] = mapped_column(JsonText)
    tags: Mapped[Any] = mapped_column(JsonText)


class SessionBlock(Base):
    """How many of 1024 neighbouring sessions have a status; no session of them started outside the two bounds."""

    __tablename__ = "session_blocks"

    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    sessions: Mapped[int] = mapped_column(Integer)
    first_start: Mapped[datetime] = mapped_column(Moment)
    last_start: Mapped[datetime] = mapped_column(Moment)


class ModelRecord(Base):
    """A model that a registration, a report or the models file named."""

    __tablename__ = "models"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(String(256), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    details: Mapped[Any] = mapped_column(JsonText)


class UsageRecord(Base):
    """One usage report. It outlives its session, because its model was used all the same."""

    __tablename__ = "usage_reports"
    __table_args__ = (Index("usage_by_session", "session_number"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    session_number: Mapped[int | None] = mapped_column(ForeignKey("sessions.number", ondelete="SET NULL"))
    model_id: Mapped[str] = mapped_column(String(256))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    total_tokens: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int | None] = mapped_column(BigInteger)
    reported_at: Mapped[datetime] = mapped_column(Moment)
    details: Mapped[Any] = mapped_column(JsonText)


class Sums:
    """What reports add up to; the average latency is that of the reports that had one."""

    reports: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    total_tokens: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    timed_reports: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(Moment)
    last_at: Mapped[datetime] = mapped_column(Moment)


class SessionUsage(Sums, Base):
    """The running total of a session, gone with it."""

    __tablename__ = "session_usage"

    session_number: Mapped[int] = mapped_column(
        ForeignKey("sessions.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class ModelUsage(Sums, Base):
    """A part of the running total of a model; the parts together are its total."""

    __tablename__ = "model_usage"

    model_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
