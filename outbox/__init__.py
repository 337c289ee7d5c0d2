"""Enqueue in your own database transaction: a row in an outbox, which `mgw outbox` sends once it is committed."""

from .sending import send, send_with_cursor
from .table import TABLE, MissingTable, create

__all__ = ["TABLE", "MissingTable", "create", "send", "send_with_cursor"]
