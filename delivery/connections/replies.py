"""What a reply of Redis that refuses a command means, decided in one place for everything that talks to Redis.

A server that is being replaced, has no replicas or cannot write its disk keeps its connections and refuses commands.
That means "not this server, not now": the connection is dropped, so that the address is looked up again, and whoever
called sees a lost connection, which everything here survives by waiting.
"""

from enum import StrEnum

from kombu.exceptions import OperationalError
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..errors import DeliveryUncertain


class State(StrEnum):
    """What is wrong with a Redis, as far as its last reply tells."""

    AWAY = "away"
    NOT_NOW = "not now"
    FULL = "full"
    REFUSED = "refused"
    CORRUPT_KEY = "corrupt key"


REFUSES = "NOPERM"
_REPLIES = {
    "READONLY": (State.NOT_NOW, "it is a replica now"),
    "NOREPLICAS": (State.NOT_NOW, "too few replicas are connected to it"),
    "MISCONF": (State.NOT_NOW, "it cannot write its data to disk"),
    "BUSY": (State.NOT_NOW, "it runs a script that does not end"),
    "CLUSTERDOWN": (State.NOT_NOW, "its cluster is down"),
    "MASTERDOWN": (State.NOT_NOW, "it is a replica without its primary"),
    "LOADING": (State.NOT_NOW, "it loads its data"),
    "MOVED": (State.NOT_NOW, "another node of its cluster has the key"),
    "ASK": (State.NOT_NOW, "its cluster moves the key"),
    "TRYAGAIN": (State.NOT_NOW, "it moves its data"),
    REFUSES: (State.REFUSED, "its user has no permission for the command"),
    "NOAUTH": (State.REFUSED, "it wants a password"),
    "WRONGPASS": (State.REFUSED, "user or password are wrong"),
    "CROSSSLOT": (State.REFUSED, "it is in a cluster, and its address does not say so (redis+cluster)"),
    "OOM": (State.FULL, "its memory is full"),
    "WRONGTYPE": (State.CORRUPT_KEY, "a key holds data of another type"),
}
_PIPELINE = " of pipeline caused error: "  # redis-py says first which command of a pipeline failed
_TRANSACTION = "Transaction discarded because of: "  # then the reply that a command would have got
_IN_SCRIPT = "ACL failure in script: "  # where a script ran the command
WAITED_FOR = {name for name, (state, _) in _REPLIES.items() if state is State.NOT_NOW} | {REFUSES}
# No fault of the task, which runs again. The last three are raised by clients that are not ours.
AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    OutOfMemoryError,
    OperationalError,
    ReadOnlyError,
    NoPermissionError,
    ClusterDownError,
)


class NotNow(RedisConnectionError):
    """Redis is reachable and refuses commands for now; the connection has been dropped.

    Try again later. The message names the state of Redis, such as READONLY for a replica.
    """

    showable = True

    def __init__(self, reply: str) -> None:
        """`reply` is the name of the state, such as READONLY."""
        super().__init__(reply)
        self.reply = reply

    def __str__(self) -> str:
        return f"Redis replied {self.reply}: {_REPLIES[self.reply][1]}"


class NoServer(RedisConnectionError):
    """Nobody that was asked knows the server to use; the text says who was asked for what."""

    showable = True


def state_of(error: BaseException) -> State | None:
    """What an error says of Redis; None where it says nothing of it."""
    known = _REPLIES.get(name_in(error))
    if known:
        return known[0]
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OperationalError | OSError):
        return State.AWAY
    return State.REFUSED if isinstance(error, RedisError) else None


def summary_of(error: BaseException) -> str:
    """An error of Redis in a few words that quote no content: its state's name, else its class."""
    if isinstance(error, NoServer):
        return str(error)
    if isinstance(error, DeliveryUncertain):
        return error.count
    name = name_in(error)
    known = _REPLIES.get(name)
    return f"{name}: {known[1]}" if known else type(error).__name__


def name_in(error: BaseException) -> str:
    """How a reply begins: redis-py keeps that apart where it knows the error, and in the text where it does not."""
    if isinstance(error, NotNow):
        return error.reply
    if not isinstance(error, RedisError):
        return ""
    text = str(error).rpartition(_PIPELINE)[2]
    if text.startswith(_IN_SCRIPT):
        return REFUSES
    reply = text.removeprefix(_TRANSACTION)
    code = None if reply != text else getattr(error, "status_code", None)
    return str(code or reply.partition(" ")[0])
