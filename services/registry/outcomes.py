"""What became of one message: what a call that sent it alone is told, and an entry of a batch."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]

from ...schemas.refusals import Refusal
from ...schemas.registry import EntryFailure
from ..web.conflict import conflict

_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """An HTTP status; of a refused message also what is wrong with it."""

    status: int = HTTPStatus.OK
    message: str = ""
    mistakes: Any = field(default_factory=dict[str, Any])  # by field
    refusal: Refusal | None = None

    @property
    def is_done(self) -> bool:
        """Whether the message had its effect, now or before."""
        return self.status < HTTPStatus.BAD_REQUEST


DONE = Outcome()
NO_SESSION = Outcome(HTTPStatus.NOT_FOUND, "No session has this id.")


def invalid(mistakes: Any) -> Outcome:
    """A message that breaks its schema."""
    return Outcome(HTTPStatus.UNPROCESSABLE_ENTITY, mistakes=mistakes)


def contradicts(refusal: Refusal) -> Outcome:
    """A message that contradicts what is stored."""
    return Outcome(HTTPStatus.CONFLICT, refusal.sentence, refusal=refusal)


def refuse(outcome: Outcome) -> None:
    """Abort the request with what became of its message, unless it is done."""
    if outcome.refusal:
        conflict(outcome.refusal)
    if not outcome.is_done:
        abort(outcome.status, message=outcome.message or "Unprocessable Entity", messages=outcome.mistakes)


def failure(index: int, outcome: Outcome) -> EntryFailure:
    """Say why an entry of a batch was refused."""
    reason = outcome.refusal.reason.value if outcome.refusal else outcome.message or f"invalid: {outcome.mistakes}"
    return EntryFailure(index, int(outcome.status), reason[:_MAX_REASON].encode(errors="replace").decode())
