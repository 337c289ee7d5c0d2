"""The doctor's look at what the user of each Redis may do: the commands and keys that workers, beat and mgw need."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis

from ...delivery.connections.address import server_url
from ...delivery.connections.replies import REFUSES, NotNow
from ..target import Target
from .finding import Finding, State

# What follows a command's key, for the commands that have one. None of them is executed.
_ON_KEY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["get", "type", "exists", "pttl", "mget", "incr", "decr", "unlink", "llen", "rpop"], ()),
    **dict.fromkeys(["hgetall", "hkeys", "hlen", "hvals", "zcard", "smembers"], ()),
    **dict.fromkeys(["hget", "hexists", "hdel", "hmget", "hstrlen", "zscore", "zmscore", "zrem"], ("x",)),
    **dict.fromkeys(["lpush", "rpush", "sadd", "srem", "sismember", "smismember"], ("x",)),
    **dict.fromkeys(["brpop", "expire", "pexpire", "incrby", "decrby", "lindex", "zscan", "hscan"], ("1",)),
    **dict.fromkeys(["lrange", "zrange", "zrevrange", "zcount", "zrangebyscore", "zremrangebyscore"], ("0", "1")),
    **dict.fromkeys(["hset", "hsetnx"], ("x", "1")),
    **dict.fromkeys(["zadd", "zincrby"], ("1", "x")),
    "hincrby": ("x", "1"),
    "set": ("x",),
    "setex": ("1", "x"),
}
_ON_NOTHING = (("ping",), ("time",), ("info",), ("scan", "0"), ("script", "exists", "x"), ("wait", "0", "1"))


@dataclass(frozen=True)
class Names:
    """A key of each kind that is in one Redis, its channels, and the patterns that are subscribed to."""

    keys: list[str]
    channels: list[str]
    patterns: list[str]


def check_permissions(name: str, url: str, server: "redis.Redis", names: Names) -> Iterator[Finding]:
    """What the user may not do with these names, of all that workers, beat and mgw do."""
    check, user = f"{name}: permissions", urlsplit(server_url(url)).username or "default"
    told = list(_forbidden(server, names))
    if told:
        fix = "Let it do that (redis-cli ACL SETUSER), as docs/redis.md does for the user of each part, under the key "
        fix += "prefix that is used here (KEY_PREFIX). Until then, what needs it waits or is refused."
        yield Finding(check, State.FAILURE, f"user {user} may not {'; may not '.join(told)}", fix)
    else:
        yield Finding(check, State.OK, f"user {user} may do what workers, beat and mgw do")


def _forbidden(server: "redis.Redis", names: Names) -> Iterator[str]:
    if _refuses(server, "multi"):
        yield "run MULTI; the rest was not tried"
        return
    forbidden = [key for key in names.keys if any(_refuses(server, command, key) for command in ("get", "del"))]
    allowed = [key for key in names.keys if key not in forbidden]
    for name, calls in [
        *((key, calls_on(key)) for key in allowed[:1]),
        *((name, [("subscribe", name), ("unsubscribe", name), ("publish", name, "x")]) for name in names.channels),
        *((name, [("psubscribe", name), ("punsubscribe", name)]) for name in names.patterns),
    ]:
        commands = [call[0].upper() for call in calls if _refuses(server, *call)]
        if commands:
            yield f"run {' '.join(commands)} on {name}"
    if forbidden:
        yield f"read (GET) and delete (DEL) {', '.join(forbidden)}"


def calls_on(key: str) -> list[tuple[str, ...]]:
    """The calls that workers, beat and mgw make on a key, or on none."""
    return [
        *((command, key, *rest) for command, rest in _ON_KEY.items()),
        *_ON_NOTHING,
        ("lmove", key, key, "left", "right"),
        ("eval", "return 1", "1", key),
        ("evalsha", "0" * 40, "1", key),
    ]


def _refuses(server: "redis.Redis", *call: str) -> bool:
    """Whether the user may not make this call. It is not made: a transaction takes it up, and is thrown away."""
    pool: Any = server.connection_pool
    connection = pool.get_connection()
    try:
        for command in (("multi",), call, ("discard",)):
            connection.send_command(*command)
            with suppress(redis.ResponseError):  # of another kind, as of a full memory
                connection.read_response()
        return False
    except NotNow as refused:  # the connection was dropped, and the transaction with it
        return refused.reply == REFUSES
    finally:
        pool.release(connection)


def names_of(target: Target, uses: Collection[str]) -> Names:
    """The names in a Redis of these uses: broker, state and results."""
    keys, prefix, queues = target.delivery.keys, target.delivery.key_prefix, target.queues
    result = f"{prefix}celery-task-meta-doctor"
    of_broker = [name for queue in queues for name in (target.lists(queue)[0], keys.permits(queue))]
    of_broker += [keys.unacked, keys.unacked_index, keys.workers, keys.woken, f"{prefix}_kombu.binding.celery.pidbox"]
    of_state = [keys.letters, keys.quarantine.letters, keys.leader, keys.full, keys.losses("doctor")]
    of_state += _keys_of_ours() if target.is_ours else []
    by_use = {"broker": of_broker, "state": of_state, "results": [result]}
    control = [f"{target.broadcasts}celery.pidbox"] if "broker" in uses else []
    answers = [result] if "results" in uses else []
    return Names([key for use in uses for key in by_use[use]], control + answers, control)


def _keys_of_ours() -> list[str]:
    from ...tasks.archival.keys import INDEX, LOCK
    from ...tasks.beats import LOCK as BEAT_LOCK

    return [LOCK, INDEX, BEAT_LOCK]
