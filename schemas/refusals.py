"""Why a service refuses a call that contradicts what is stored: a closed list of reasons, and the facts beside them.

An error of the contract may carry them beside its `message`. That is free text and may quote anything; these cannot.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from marshmallow import fields

from .base import Response, ValidationError
from .fields import Timestamp, format_timestamp
from .registry import SessionStatus


class RefusalReason(StrEnum):
    """What a refused call contradicts."""

    RETENTION_NOT_OVER = "retention_not_over"
    STATUS_NOT_ALLOWED = "status_not_allowed"
    SESSION_WENT_ON = "session_went_on"
    ASKED_TOO_EARLY = "asked_too_early"
    OTHER_CONTENT = "other_content"
    KEY_REUSED = "key_reused"


_WORDS = {
    RefusalReason.RETENTION_NOT_OVER: "retention is not over",
    RefusalReason.STATUS_NOT_ALLOWED: "the status that was asked for cannot follow",
    RefusalReason.SESSION_WENT_ON: "the session went on, its end is not the one that was named (`if_ended_at`)",
    RefusalReason.ASKED_TOO_EARLY: "the session was reopened, or ended again, after this was asked for (`asked_at`)",
    RefusalReason.OTHER_CONTENT: "the id has other content already",
    RefusalReason.KEY_REUSED: "the Idempotency-Key came with another path or body before",
}


@dataclass(frozen=True)
class Refusal:
    """Why a call was refused; `kept_until` is when an archive may be deleted, `session_status` the session's own."""

    reason: RefusalReason
    kept_until: datetime | None = None
    session_status: SessionStatus | None = None

    @property
    def sentence(self) -> str:
        """What is the case and why, like `kept until 2027-01-01T00:00:00Z: retention is not over`."""
        kept = f"kept until {format_timestamp(self.kept_until)}: " if self.kept_until else ""
        status = f"the session is {self.session_status}: " if self.session_status else ""
        return f"{kept}{status}{_WORDS[self.reason]}"


class RefusalSchema(Response[Refusal]):
    model = Refusal

    reason = fields.Enum(RefusalReason, by_value=True, required=True)
    kept_until = Timestamp()
    session_status = fields.Enum(SessionStatus, by_value=True)


REFUSAL = RefusalSchema()


def refusal_of(told: Any) -> Refusal | None:
    """Return the refusal that decoded JSON holds; None if its reason is unknown or a fact breaks the schema."""
    try:
        return REFUSAL.read(told)
    except ValidationError:
        return None
