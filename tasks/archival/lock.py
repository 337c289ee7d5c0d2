"""The sweep lock: one sweep runs at a time."""

from typing import Any

from redis import Redis

from .keys import LOCK

LOCK_SECS = 600  # a sweep that makes no progress for so long has stalled


class SweepLock:
    """A lock in Redis that belongs to a sweep, whichever worker is on it; it lapses after ten minutes."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    def take(self, sweep_id: str) -> bool:
        """Take the lock or renew it; False if another sweep has it."""
        taken = self._redis.set(LOCK, sweep_id, nx=True, ex=LOCK_SECS)
        return bool(taken) or self.renew(sweep_id)

    def renew(self, sweep_id: str) -> bool:
        """Keep the lock for another ten minutes; False if the sweep does not have it."""
        if self.holder() != sweep_id:
            return False
        self._redis.expire(LOCK, LOCK_SECS)
        return True

    def holder(self) -> str | None:
        """Return the id of the sweep that has the lock."""
        holder = self._redis.get(LOCK)
        return holder.decode() if holder else None

    def release(self, sweep_id: str) -> None:
        """Give the lock back if the sweep has it."""
        if self.holder() == sweep_id:
            self._redis.delete(LOCK)
