"""The Memory-Graph's tables: nodes are stored as their protobuf messages."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..database.storage import JsonText, RowNumber, UtcDateTime, new_metadata


class Base(DeclarativeBase):
    """All tables of the Memory-Graph."""

    metadata = new_metadata("memory-graph")


class SessionRecord(Base):
    """A conversation; `number` is the order of creation."""

    __tablename__ = "sessions"

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(String(256), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    details: Mapped[Any] = mapped_column(JsonText)


class NodeRecord(Base):
    """A prompt, response or tool invocation; `number` is the order of insertion."""

    __tablename__ = "nodes"
    __table_args__ = (Index("nodes_by_session", "session_number", "number"),)

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    node_id: Mapped[str] = mapped_column(String(256), unique=True)
    session_number: Mapped[int] = mapped_column(ForeignKey("sessions.number", ondelete="CASCADE"))
    node_type: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    message: Mapped[bytes] = mapped_column(LargeBinary)
