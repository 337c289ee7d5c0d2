"""What a failed call says of the service, decided once for HTTP and gRPC: for the breaker, retries and tasks."""

from enum import StrEnum

from .errors import (
    AuthenticationError,
    InvalidConfig,
    Refused,
    SerializationError,
    ServiceUnavailable,
    TransientError,
    UncertainOutcome,
)

TOO_MANY_REQUESTS = (429, 8)  # HTTP; gRPC: RESOURCE_EXHAUSTED
_UNKNOWN_OPERATION = 12  # gRPC: UNIMPLEMENTED


class Kind(StrEnum):
    """What a failure says: who is the cause, and so whom a repeat may help."""

    OUTAGE = "outage"  # no response came: nobody gets one now
    BUSY = "busy"  # the service is up and asks for patience (429, RESOURCE_EXHAUSTED)
    REFUSED = "refused"  # the service refuses this caller, whatever is sent: a key, a redirect, an unknown operation
    UNRELATED = "response about something else"  # not what was asked: it breaks the contract, or names another id
    ITEM = "item's own fault"  # a response to this one request; other requests may succeed


def kind_of(error: BaseException) -> Kind:
    """Return the kind of a failure. A 5xx is the item's fault until different requests get one (`is_suspect`)."""
    if isinstance(error, ServiceUnavailable):
        return Kind.BUSY if error.status in TOO_MANY_REQUESTS else Kind.ITEM
    if isinstance(error, TransientError | UncertainOutcome):
        return Kind.OUTAGE
    if isinstance(error, SerializationError):
        return Kind.UNRELATED
    if isinstance(error, AuthenticationError | InvalidConfig) or _refuses_every_item(error):
        return Kind.REFUSED
    return Kind.ITEM if isinstance(error, Exception) else Kind.OUTAGE  # an interrupted call got no response


def shows_service_is_up(error: BaseException) -> bool:
    """Return whether the service responded in a way that shows it works: a refusal, also by one that is overloaded."""
    return kind_of(error) is not Kind.OUTAGE and not is_suspect(error)


def is_suspect(error: BaseException) -> bool:
    """Return whether one request failed so that the request or the service may be the cause: a 5xx, a bug of ours.

    The same request, repeated, says nothing new; the breaker counts it once. Five different ones are an outage.
    """
    failed = isinstance(error, ServiceUnavailable) or not hasattr(error, "service")
    return failed and kind_of(error) is Kind.ITEM


def may_repeat(error: TransientError, repeatable: bool) -> bool:
    """Return whether the same call may be sent again; one that is not repeatable only if it cannot have been done."""
    sent = getattr(error, "spends_attempt", True)
    return sent and (repeatable or not error.maybe_done)


def _refuses_every_item(error: BaseException) -> bool:
    status = error.status if isinstance(error, Refused) else None
    return status is not None and (300 <= status < 400 or status == _UNKNOWN_OPERATION)
