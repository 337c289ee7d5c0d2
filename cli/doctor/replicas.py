"""The doctor's look at a primary's replicas: whether they follow, and whether anything waits for them."""

from collections.abc import Iterator
from typing import Any

import redis

from .finding import Finding, State

_LONGEST_LAG_SECS = 10  # since a replica that follows was heard of last
_WANTED = "REDIS_MIN_REPLICAS (install's min_replicas)"
_LEAST, _MAX_LAG = "min-replicas-to-write", "min-replicas-max-lag"


def check_replicas(name: str, server: "redis.Redis", min_replicas: int) -> Iterator[Finding]:
    """The replicas, and how many senders and the server itself want; nothing where no replica is there or wanted."""
    info: dict[str, Any] = server.info("replication")
    replicas = [info[f"slave{number}"] for number in range(int(info.get("connected_slaves", 0)))]
    if info.get("role") != "master" or not (replicas or min_replicas):
        return
    following = sum(each["state"] == "online" and int(each["lag"]) <= _LONGEST_LAG_SECS for each in replicas)
    setting = _setting(server)
    shown = ", ".join(f"{each['ip']}:{each['port']} {each['state']}, lag {each['lag']} s" for each in replicas)
    found = f"{shown or 'none'}; {_WANTED} {min_replicas}, {_told(setting)}"
    yield _judged(f"{name}: replicas", found, following, min_replicas, int(setting.get(_LEAST, 0)))


def _judged(check: str, found: str, following: int, min_replicas: int, least: int) -> Finding:
    if following < least:
        fix = "Start replicas, or lower min-replicas-to-write (CONFIG SET): until then Redis refuses every write."
        return Finding(check, State.FAILURE, found, fix)
    if following < min_replicas:
        fix = "Start replicas, or lower REDIS_MIN_REPLICAS: until then each task that is sent raises DeliveryUncertain."
        return Finding(check, State.WARNING, found, fix)
    waits = min_replicas or least
    return Finding(check, State.OK, found if waits else f"{found}: a failover can lose what was sent last")


def _setting(server: "redis.Redis") -> dict[str, str]:
    """What the server itself wants; empty where its user may not ask, as with many providers."""
    try:
        found: Any = server.config_get("min-replicas-*")
    except redis.RedisError:
        return {}
    return found


def _told(setting: dict[str, str]) -> str:
    if _LEAST not in setting:
        return f"{_LEAST} unknown (CONFIG is forbidden)"
    return f"{_LEAST} {setting[_LEAST]} ({_MAX_LAG} {setting.get(_MAX_LAG, '?')} s)"
