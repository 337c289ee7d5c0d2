"""What all tasks of this project share."""

from typing import Any

from ..clients.errors import TransientError
from ..delivery import AWAY, KeptTask, UnfitMessage
from ..schemas.base import ValidationError
from .config import read_producer_settings

broker, limits, bounds, mistakes = read_producer_settings()
# A list of Redis is there once something is in it; to declare it costs a tenth of what sending does.
_DECLARED: dict[str, Any] = {"declare": []}


class MemoryGraphTask(KeptTask):
    """A task that is tried again on transient errors, with a growing pause, and is killed at its time limit."""

    abstract = True
    Request = f"{__package__}.request:Request"
    autoretry_for = (TransientError, *AWAY)
    max_retries = limits.max_attempts - 1
    retry_backoff = limits.backoff_secs
    retry_backoff_max = limits.backoff_max_secs
    retry_jitter = True
    time_limit = int(limits.time_limit_secs)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send the task.

        Raises: InvalidConfig, ValidationError for a message that a worker would set aside,
        kombu.exceptions.OperationalError within seconds where the broker is away.
        """
        if mistakes:
            raise mistakes
        try:
            return super().apply_async(args, kwargs, **{**_DECLARED, **options})
        except UnfitMessage as error:
            raise ValidationError({"message": [str(error)]}) from error
