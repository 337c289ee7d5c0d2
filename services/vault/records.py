"""The Vault's tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Index, Integer, LargeBinary, String, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..database.storage import JsonText, RowNumber, UtcDateTime, new_metadata
from ..web.idempotency import StoredResponse


class Base(DeclarativeBase):
    """All tables of the Vault."""

    metadata = new_metadata("vault")


class IdempotentResponse(StoredResponse, Base):
    """Responses stored for repeated Idempotency-Keys."""

    __tablename__ = "answers"


class ArchiveRecord(Base):
    """One archive: its sealed content (data, tags, metadata) and its retention.

    `retention_days` as sent; `kept_days` as extended by policies. `kept_until` is at least `received_at` (the Vault's
    own time) plus `kept_days`. `archived_at` is what the sender says, and the time of receipt of an archive that has no
    other: those from before it was recorded.
    """

    __tablename__ = "archives"
    __table_args__ = (
        Index(None, "key_id", "archive_id"),
        Index(None, "policy_id", "kept_until", "archive_id"),
    )

    archive_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    session_id: Mapped[str] = mapped_column(String(256), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    key_id: Mapped[str] = mapped_column(String(16))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    archived_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_receipt: Mapped[datetime | None] = mapped_column("received_at", UtcDateTime)
    retention_days: Mapped[int] = mapped_column(Integer)
    kept_days: Mapped[int] = mapped_column(Integer)
    kept_until: Mapped[datetime] = mapped_column(UtcDateTime)
    policy_id: Mapped[str | None] = mapped_column(String(256))

    @hybrid_property
    def received_at(self) -> datetime:
        """When the Vault received the archive, by its own clock."""
        return self.recorded_receipt or self.archived_at

    @received_at.inplace.expression
    @classmethod
    def _received_at_in_sql(cls) -> ColumnElement[datetime]:
        return func.coalesce(cls.recorded_receipt, cls.archived_at)


class PolicyRecord(Base):
    """One retention policy."""

    __tablename__ = "policies"

    policy_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    retention_days: Mapped[int] = mapped_column(Integer)
    auto_delete: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[Any] = mapped_column(JsonText)


class DeletionRecord(Base):
    """A deleted archive, when and why: written in the transaction that deletes it."""

    __tablename__ = "deletions"

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    archive_id: Mapped[str] = mapped_column(String(256), index=True)
    session_id: Mapped[str] = mapped_column(String(256), index=True)
    policy_id: Mapped[str | None] = mapped_column(String(256))
    archived_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    kept_until: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    why: Mapped[str] = mapped_column(String(16))
