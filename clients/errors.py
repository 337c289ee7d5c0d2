"""What can go wrong when talking to a service, split by what the caller should do.

    IntegrationError                 any of the below
    ├── TransientError               WAIT: the same call may succeed later
    │   ├── ConnectionError          no connection
    │   ├── Timeout                  no complete response within the deadline
    │   ├── HttpError                the transfer broke
    │   ├── CircuitBreakerOpen       the service is known to be down; nothing was sent
    │   ├── ChangedMeanwhile         what was read page by page changed between two pages
    │   └── ServiceUnavailable       5xx or 429 (also an ApiError)
    ├── ApiError                     the service gave an error status: one of two kinds
    │   ├── Refused                  FIX THE CALL: a 4xx or a redirect; the same call is refused again
    │   │   └── NotFound             NOT THERE, OR NOT YET: the service itself says that nothing has this id
    │   └── ServiceUnavailable       WAIT: 5xx or 429 (also a TransientError)
    ├── SerializationError           FIX THE SERVICE: its response breaks the contract
    │   └── ResponseTooLarge         ASK FOR LESS: the response is over 64 MiB
    ├── AuthenticationError          PHONE SOMEBODY: the key is missing, wrong or not allowed (401, 403)
    ├── InvalidConfig                PHONE SOMEBODY: a setting is wrong
    ├── UncertainOutcome             LOOK FIRST: it may have happened, and a repeat may happen twice
    └── NotArchivable                READ IT: this session cannot be archived as it is
        ├── NothingToArchive         NOTHING TO DO: it has no conversation, and is skipped
        └── WentOn                   NOTHING TO DO: it went on meanwhile, and is archived again once it is due

Every error keeps its arguments JSON-safe and in order, because Celery rebuilds it from `exc.args`.
None carries a key, a payload or a body, so each is `showable`: logs, events, results and dead letters may quote it.
An error of which nothing was sent, so that its task has spent no attempt, says `spends_attempt = False`.
A class whose failures get a reason of their own among the dead letters names it in `dead_letter_reason`.
"""

from typing import ClassVar

from ..schemas.refusals import Refusal, refusal_of
from .status_names import spoken_status


class IntegrationError(Exception):
    """A call of a service failed.

    `service` and `operation` say which, `status` is the HTTP status (or the gRPC code's number), and
    `request_id` names the request in the service's own log. `keys_believed` is whether the service was believed to
    deduplicate by idempotency key when the request was sent, `keys_kept_days` for how many days it said that it knows a
    key. `fields` are what the response says in fields that may be shown. Each is None where there was none.
    """

    showable: ClassVar[bool] = True

    def __init__(
        self,
        message: str = "",
        service: str | None = None,
        operation: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_secs: float | None = None,
        keys_believed: bool | None = None,
        fields: dict[str, str] | None = None,
        keys_kept_days: int | None = None,
    ) -> None:
        late = () if keys_kept_days is None else (keys_kept_days,)  # an older release takes eight
        super().__init__(
            message, service, operation, status, request_id, retry_after_secs, keys_believed, fields, *late
        )
        self.message = message
        self.service = service
        self.operation = operation
        self.status = status
        self.request_id = request_id
        self.retry_after_secs = retry_after_secs
        self.keys_believed = keys_believed
        self.fields = fields
        self.keys_kept_days = keys_kept_days

    def __str__(self) -> str:
        where = ".".join(part for part in (self.service, self.operation) if part)
        facts = [f"status {spoken_status(self.status)}" if self.status is not None else "", self.request_id or ""]
        notes = ", ".join(fact for fact in (facts[0], f"request {facts[1]}" if facts[1] else "") if fact)
        return f"{where}: {self.message}".removeprefix(": ") + (f" ({notes})" if notes else "")

    def __repr__(self) -> str:
        """Return the sentence, too: Celery writes this into its log lines and events."""
        return f"{type(self).__name__}({str(self)!r})"


class TransientError(IntegrationError):
    """The same call may succeed later; `retry_after_secs` is the wait that the service asked for, if any."""

    dead_letter_reason: ClassVar[str] = "attempts_exhausted"

    @property
    def maybe_done(self) -> bool:
        """Whether the service may have done the work, so that a repeat may do it twice unless it is deduplicated."""
        return False

    @property
    def repeat_needs_keys(self) -> bool:
        """Whether a repeat is safe only while the service deduplicates by key, as it was believed to."""
        return self.maybe_done and self.keys_believed is True


class ConnectionError(TransientError):  # noqa: A001  as requests and the Rust client name it
    """No connection could be made; nothing was sent."""


class Timeout(TransientError):
    """No complete response came within `timeout_secs`."""

    @property
    def maybe_done(self) -> bool:
        """The request was sent."""
        return True


class HttpError(TransientError):
    """The transfer broke: the response was truncated or could not be decompressed."""

    @property
    def maybe_done(self) -> bool:
        """The request was sent."""
        return True


class CircuitBreakerOpen(TransientError):
    """The service failed too often in a row; nothing was sent. `retry_after_secs` says when it is tried again."""

    spends_attempt: ClassVar[bool] = False


class ChangedMeanwhile(TransientError):
    """What was read page by page changed between two pages, so that something may be missing; read it again."""


class ApiError(IntegrationError):
    """The service responded with an error status: `Refused`, or `ServiceUnavailable` if a repeat may help."""


class Refused(ApiError):
    """The service refused the call (4xx) or responded with a redirect (3xx); repeating it changes nothing."""

    @property
    def refusal(self) -> Refusal | None:
        """The reason and its facts (such as `kept_until`), if the service gave one of the contract's reasons."""
        return refusal_of(self.fields)


class NotFound(Refused):
    """The service itself says, by an error of the contract (`code` 404), that nothing has this id."""


class ServiceUnavailable(TransientError, ApiError):
    """The service failed (5xx) or has too much to do (429, 503)."""

    @property
    def maybe_done(self) -> bool:
        """A gateway sent the request on and got no usable response (502, 504)."""
        return self.status in (502, 504)


class SerializationError(IntegrationError):
    """The response is not JSON, breaks the contract or is too large; the message names the field."""


class ResponseTooLarge(SerializationError):
    """The response is larger than it may be (64 MiB), and was not read to its end."""


class AuthenticationError(IntegrationError):
    """The service refused the key (401, 403); the message names the variable to set."""


class InvalidConfig(IntegrationError):
    """The configuration is wrong; the message lists every mistake."""


class UncertainOutcome(IntegrationError):
    """The request was sent, no response came, and the service does not deduplicate a repeat."""

    dead_letter_reason: ClassVar[str] = "uncertain"


class NotArchivable(IntegrationError):
    """The session stays as it is; the message says why."""


class NothingToArchive(NotArchivable):
    """The session has no conversation: there is nothing to archive, and nothing to repair."""


class WentOn(NotArchivable):
    """The session went on while it was archived: it is not marked, and its archive stays as an earlier revision."""
