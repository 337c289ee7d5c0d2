"""Retries of a client that is used without Celery; inside a task Celery retries."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from .config import RetryPolicy
from .errors import Timeout, TransientError
from .failures import may_repeat

T = TypeVar("T")

ONCE = RetryPolicy(max_attempts=1)


def always() -> bool:
    """Return True."""
    return True


def with_retries(
    policy: RetryPolicy, longest_wait_secs: float, attempt: Callable[[], T], repeatable: Callable[[], bool] = always
) -> T:
    """Call `attempt` until it succeeds or the policy ends, and raise the last error.

    A wait that the server asks for is respected up to `longest_wait_secs`; a longer one raises the error at once. A
    call that is not `repeatable` is repeated only if the service cannot have done it. An open breaker is not awaited.
    """
    number = 1
    while True:
        try:
            return attempt()
        except TransientError as error:
            wait_secs = max(policy.delay_secs(number) * random.uniform(0.5, 1), error.retry_after_secs or 0)
            if not _may_repeat(policy, error, number, repeatable()) or wait_secs > longest_wait_secs:
                raise
            time.sleep(wait_secs)
            number += 1


def _may_repeat(policy: RetryPolicy, error: TransientError, number: int, repeatable: bool) -> bool:
    wanted = policy.retry_on_timeout or not isinstance(error, Timeout)
    return number < policy.max_attempts and wanted and may_repeat(error, repeatable)
