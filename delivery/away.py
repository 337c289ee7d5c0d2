"""The errors that say that the broker or the result store cannot be reached, or is full."""

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

# No fault of the task, which runs again.
AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, OperationalError)
