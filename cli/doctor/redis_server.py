"""The doctor's look at Redis: does it keep what it is given, for whom, and how full is it?"""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis

from ...clients.config import is_loopback
from ...tasks.config import BrokerConfig
from .finding import Finding, State, judged

_TIMEOUT_SECS = 5
_NEARLY_FULL = 0.8
MOST_SKEW_SECS = 5.0


def check_all(config: BrokerConfig) -> Iterator[Finding]:
    """Look at each server once, by the first name that it goes by."""
    roles = {"state": config.redis_url, "broker": config.broker, "results": config.results}
    for url in dict.fromkeys(roles.values()):
        name = "redis (" + ", ".join(role for role, address in roles.items() if address == url) + ")"
        if url.startswith(("redis://", "rediss://")):
            yield from check_server(name, url)
        else:
            yield Finding(name, State.WARNING, "is no Redis: its own doctor must look at it", "See its documentation.")


def check_server(name: str, url: str) -> Iterator[Finding]:
    """Look at one server."""
    yield check_address(name, url)
    try:
        with redis.Redis.from_url(url, socket_timeout=_TIMEOUT_SECS, socket_connect_timeout=_TIMEOUT_SECS) as server:
            yield from _check_answers(name, server)
    except redis.RedisError as error:
        fix = "Is it up, and are address and password right (REDIS_URL)?"
        yield Finding(name, State.FAILURE, f"does not answer ({type(error).__name__})", fix)


def check_address(name: str, url: str) -> Finding:
    """Refuse an address that lets others read conversations: no password, or none of TLS, off this host."""
    parts = urlsplit(url)
    near = is_loopback(parts.hostname or "localhost")
    lacks = [text for text, there in {"password": parts.password, "TLS": parts.scheme == "rediss"}.items() if not there]
    found = f"without {' and '.join(lacks)}" if lacks else "password and TLS"
    bad = State.FAILURE if "password" in lacks else State.WARNING
    fix = "Set a password (requirepass) and use rediss:// where the network is not private: tasks carry conversations."
    return judged(f"{name}: address", near or not lacks, f"{'on this host, ' if near else ''}{found}", fix, bad)


def _check_answers(name: str, server: "redis.Redis") -> Iterator[Finding]:
    info = server.info()
    yield judged(
        f"{name}: kind",
        info.get("redis_mode") != "cluster",
        str(info.get("redis_mode", "unknown")),
        "Redis Cluster cannot carry queues: use one server, or one with Sentinel.",
    )
    yield _eviction(name, info)
    yield _persistence(name, info)
    yield _memory(name, info)
    yield _clock(name, server)


def _eviction(name: str, info: dict[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    fix = "CONFIG SET maxmemory-policy noeviction (and in redis.conf): any other deletes tasks when memory is full."
    return judged(f"{name}: eviction", policy == "noeviction", f"maxmemory-policy {policy}", fix)


def _persistence(name: str, info: dict[str, Any]) -> Finding:
    check, fix = f"{name}: persistence", "Set appendonly yes and appendfsync everysec (or always)."
    if not info.get("aof_enabled"):
        return Finding(check, State.FAILURE, "no append-only file: a restart loses tasks", fix)
    written = info.get("aof_last_write_status") == "ok"
    return judged(check, written, "append-only file", "Its last write failed: is the disk full? See its log.")


def _memory(name: str, info: dict[str, Any]) -> Finding:
    used, most = int(info["used_memory"]), int(info.get("maxmemory") or 0)
    found = f"{used / 2**20:,.0f} MiB" + (f" of {most / 2**20:,.0f}" if most else ", no limit set")
    fix = "Give it more memory, or let workers catch up: full, it refuses new tasks."
    return judged(f"{name}: memory", not most or used < _NEARLY_FULL * most, found, fix, State.WARNING)


def _clock(name: str, server: "redis.Redis") -> Finding:
    before = time.time()
    seconds, micros = server.time()
    after = time.time()
    return judged_clock(name, seconds + micros / 1e6, before, after)


def judged_clock(name: str, theirs: float, before: float, after: float, resolution_secs: float = 0.0) -> Finding:
    """Compare a clock that was read between two moments of ours."""
    skew = theirs - min(max(theirs, before - resolution_secs), after)
    fix = "Set the clocks by NTP: the sweep's cutoff and what ended when go by them."
    return judged(f"{name}: clock", abs(skew) <= MOST_SKEW_SECS, f"{skew:+.1f} s", fix, State.WARNING)
