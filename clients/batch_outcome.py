"""What each entry of a batch got, as the error that it would have got alone."""

from collections.abc import Callable

from ..schemas.refusals import REFUSAL, refusal_of
from ..schemas.registry import BatchOutcome, EntryFailure
from .errors import IntegrationError, NotFound, Refused, SerializationError
from .responses import error_of, phrase

Errors = list[IntegrationError | None]


def most_of(facts: object) -> int:
    """Return how many entries a batch may have, as /health says it; 0 if it says nothing usable."""
    most = facts.get("most") if isinstance(facts, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return most if type(most) is int else 0


def errors_of(
    outcome: BatchOutcome, count: int, key_variable: str, locate: Callable[[IntegrationError, int], IntegrationError]
) -> Errors:
    """Return the error of each of `count` entries, None for those that were accepted.

    Raises: SerializationError if the response is not about a batch of so many entries.
    """
    errors: Errors = [None] * count
    for failure in outcome.failed:
        if failure.index >= count or errors[failure.index] is not None:
            break
        errors[failure.index] = locate(_error(failure, key_variable), failure.status)
    else:
        if outcome.accepted + len(outcome.failed) == count:
            return errors
    raise SerializationError("the response is about another batch than was sent; see accepted, failed")


def _error(failure: EntryFailure, key_variable: str) -> IntegrationError:
    known = error_of(failure.status, key_variable)
    if known is not None:
        return known
    kind = NotFound if failure.status == 404 else Refused
    told = {"reason": failure.reason}
    refusal = refusal_of(told)
    if refusal is not None:
        return kind(refusal.sentence, fields=REFUSAL.as_json(refusal))
    return kind(phrase(failure.status))
