"""Why a session was not archived, in words that quote no content; no failure of one session ends the others' work."""

import traceback
from pathlib import Path

from billiard.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ...delivery.redaction import is_showable

# What the task itself must see: it concerns no single session, and the task runs again.
CONCERNS_ALL = (RedisError, OperationalError, SoftTimeLimitExceeded)


def reason_of(error: Exception) -> str:
    """Return what an error says if it is ours; of an unexpected one its class and the line of code, never its text."""
    if is_showable(error):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in last)
    return f"unexpected {type(error).__name__}{where}; its text is withheld, it may quote content"
