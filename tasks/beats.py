"""Which beats there are: each says every few seconds that it is there, also one that waits for the lock."""

import threading
from contextlib import suppress
from typing import Any
from uuid import uuid4

from redbeat.schedulers import RedBeatConfig  # pyright: ignore[reportMissingTypeStubs]
from redis.exceptions import RedisError

from ..delivery.broker.unacked import PRESENT
from ..delivery.lua import script
from ..delivery.worker.presence import BEAT_SECS, SILENT_BEATS
from .app import app

_CONFIG: Any = RedBeatConfig(app)
_KEY = f"{_CONFIG.key_prefix}present"
LOCK: str = _CONFIG.lock_key
_COUNT = script("count_present")


def ask_beats(pipe: Any) -> None:
    """Add to a pipeline: whether a beat has the lock, and how many beats there are."""
    pipe.exists(LOCK)
    pipe.eval(_COUNT, 1, _KEY)


class Presence:
    """Says that this beat is there, from a thread of its own, until it is closed."""

    def __init__(self, redis: Any) -> None:
        self._redis, self._name, self._stopped = redis, str(uuid4()), threading.Event()
        threading.Thread(target=self._run, name="presence", daemon=True).start()

    def close(self) -> None:
        """Leave."""
        self._stopped.set()
        with suppress(RedisError):
            self._redis.zrem(_KEY, self._name)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with suppress(RedisError):  # beat itself says that Redis is away
                self._redis.eval(PRESENT, 1, _KEY, self._name, SILENT_BEATS * BEAT_SECS, 1)
            self._stopped.wait(BEAT_SECS)
