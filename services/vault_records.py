"""The Vault's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .answers import KeptAnswer
from .storage import JsonText, Moment, tables_of


class Base(DeclarativeBase):
    """All tables of the Vault."""

    metadata = tables_of("vault")


class Answer(KeptAnswer, Base):
    """Answers kept for repeated Idempotency-Keys."""

    __tablename__ = "answers"


class ArchiveRecord(Base):
    """One archive: what was sent, and how long it is kept (`retention_days` as sent, `kept_days` since policies)."""

    __tablename__ = "archives"

    archive_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    session_id: Mapped[str] = mapped_column(String(256), index=True)
    data: Mapped[str] = mapped_column(Text, deferred=True)
    data_digest: Mapped[str] = mapped_column(String(64))
    archived_at: Mapped[datetime] = mapped_column(Moment)
    retention_days: Mapped[int] = mapped_column(Integer)
    kept_days: Mapped[int] = mapped_column(Integer)
    tags: Mapped[Any] = mapped_column(JsonText)
    details: Mapped[Any] = mapped_column(JsonText)
    wants_encryption: Mapped[bool] = mapped_column(Boolean)
    wants_compression: Mapped[bool] = mapped_column(Boolean)
    policy_id: Mapped[str | None] = mapped_column(String(256))


class PolicyRecord(Base):
    """One retention policy."""

    __tablename__ = "policies"

    policy_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    retention_days: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Moment)
    content: Mapped[Any] = mapped_column(JsonText)
