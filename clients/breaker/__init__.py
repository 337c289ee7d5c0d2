"""The circuit breaker of a service: it opens after 5 failures in a row (`rule`) and lets a probe through after 60 s.

A lost connection and a timeout always count. A request that gets a 5xx counts once, however often it is repeated: it
may be the only one that fails. pybreaker decides. Added here: that rule, a state that workers share in Redis, one probe
at a time while half-open, and one breaker object for each thread, because pybreaker holds a lock while the guarded call
runs.
"""

from .breaker import Breaker
from .memory_storage import MemoryStorage
from .redis_storage import RedisStorage
from .rule import FAIL_MAX
from .storage import Storage

__all__ = ["FAIL_MAX", "Breaker", "MemoryStorage", "RedisStorage", "Storage"]
