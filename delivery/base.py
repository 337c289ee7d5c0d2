"""`KeptTask`, the base of an app's tasks: what happens in the task's own process."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from celery import Task
from celery.exceptions import Reject
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from .errors import DeliveryUncertain, InvalidConfig, unopened_compression
from .held_queues.holds import LONGEST_COUNTDOWN_SECS
from .messages.attempts import may_have_taken_effect, noting_maybe_done
from .messages.message import is_opened
from .redaction import HIDDEN, redacted
from .settings import Installed, installed_or_none

E = TypeVar("E", bound=BaseException)

# A worker's retry waits a minute for the broker; see BRIEF for what a producer does.
PATIENT = {"max_retries": 60, "interval_start": 0.2, "interval_step": 0.3, "interval_max": 1.0}
RETRY_WHILE_HELD_SECS = 2.0  # until the queue is held, or known not to be

if TYPE_CHECKING:
    BaseTask = Task[..., Any]
else:
    BaseTask = Task


class NotSentAgain(Exception):
    """Why a task goes back on its queue as it was; a sentence of ours."""

    showable = True


class KeptTask(BaseTask):
    """A task that is acknowledged when it is done, and whose failures are kept and fit to be shown.

    An exception of your own may say of itself, as attributes of its class or of the object:

    - `showable = True`: its text quotes no content. Any other exception shows only its class.
    - `dead_letter_reason`: a value of `Reason` for its dead letter.
    - `service`, `operation`, `status`, `request_id`: facts for the dead letter.
    - `maybe_done`: whether the attempt may have taken effect. Without it, any may have but one that was refused (4xx).
    - `retry_after_secs`: a retry waits so long at least. With `service`, a wait of over 15 minutes holds the queues
      that need the service.
    - `spends_attempt = False`: nothing was sent, because the circuit breaker is open. The task waits with its queue,
      and this attempt does not count.
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    resultrepr_maxsize = 0
    keep_dead_letter = True  # False for a task whose failure is of no interest, such as a health check
    Request = f"{__package__}.worker.request:Request"

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Refuse a task whose messages would all be set aside.

        Raises: InvalidConfig.
        """
        super().on_bound(app)
        found, compression = installed_or_none(app), getattr(cls, "compression", None)
        if found is not None and not is_opened(compression):
            raise InvalidConfig(unopened_compression(f"The compression of the task {cls.name}", compression))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and hide what exceptions say that are not `showable`; their causes are dropped."""
        try:
            return self.run(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  raised again, redacted
            raise redacted(error) from None

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send the task; its arguments are in the message and show nowhere else.

        Raises: kombu.exceptions.OperationalError within seconds where the broker, or the result store, is away;
        DeliveryUncertain, which is one, where it is sent and too few replicas have it.
        """
        options = {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN, **options}
        try:
            return super().apply_async(args, kwargs, **options)
        except RuntimeError as error:  # before it sends, Celery asks the result store to tell it of the result
            if isinstance(error.__cause__, RedisError):
                raise OperationalError(f"The result store is away: {error.__cause__}") from error
            raise

    def retry(self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send the task again, not before the service asked for; one that waits with its queue spends no attempt."""
        if self._waits_with_queue(exc):
            if self.max_retries:
                self.request.retries -= 1
            options["countdown"] = RETRY_WHILE_HELD_SECS
        else:
            options["countdown"] = max(options.get("countdown") or 0, asked_wait_secs(exc))
        if may_have_taken_effect(exc):
            options["headers"] = noting_maybe_done(options.get("headers") or self.request.headers)
        try:
            return super().retry(args, kwargs, exc, retry_policy=PATIENT, **options)
        except Reject as rejected:
            # Celery gives up a task that it cannot send again; the broker still has it, so leave it there.
            raise Reject(NotSentAgain(_why_not_sent(cast(Any, rejected).reason)), requeue=True) from rejected

    def spends_attempt(self, error: BaseException) -> bool:
        """Whether a retry for this error counts as an attempt. It does not where the task waits with its held queue."""
        return not self.max_retries or not waits_with_queue(installed_or_none(self.app), error)

    def longest_wait(self, errors: Iterable[E]) -> E:
        """The error to retry for, out of several: a refusal by a circuit breaker only if there is no other."""
        return max(errors, key=lambda error: (getattr(error, "spends_attempt", True), asked_wait_secs(error)))

    def _waits_with_queue(self, error: Any) -> bool:
        """Whether this failure is a matter of its service's queues; a long wait that was asked for holds them."""
        found = installed_or_none(self.app)
        if found is None or not waits_with_queue(found, error):
            return False
        if not asks_for_long_wait(error):
            with suppress(RedisError):
                found.holds.note_refused()
            return True
        with suppress(RedisError):  # while it is away, the task waits by its countdown
            found.holds.ask(error.service, asked_wait_secs(error))
            return True
        return False


def _why_not_sent(error: Any) -> str:
    if isinstance(error, DeliveryUncertain):
        return f"it was to be tried again, but only {error.count}"
    return "the broker was away when it was to be tried again"


def asked_wait_secs(error: Any) -> float:
    """How long a service asked to wait, in seconds; 0 where it did not."""
    return float(getattr(error, "retry_after_secs", None) or 0.0)


def asks_for_long_wait(error: Any) -> bool:
    """Whether a service asked for a wait so long that its queues are held for it."""
    return asked_wait_secs(error) > LONGEST_COUNTDOWN_SECS and bool(getattr(error, "service", None))


def waits_with_queue(found: Installed | None, error: Any) -> bool:
    """Whether a task that failed so waits in Redis with its queue."""
    return found is not None and (asks_for_long_wait(error) or not getattr(error, "spends_attempt", True))
