"""The doctor's look at Redis: its version, role, persistence, eviction, memory, address and clock."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis

from ...clients.config import is_loopback
from ...delivery.connections.address import CLUSTER, SENTINEL, as_one_host, is_redis, restore_credentials, server_url
from ...delivery.connections.connection import connect
from ...delivery.connections.replies import REFUSES, NoServer, NotNow, summary_of
from ..target import Target
from .config import MANAGED, DoctorConfig
from .finding import Finding, State, judged
from .permissions import Names, check_permissions, names_of
from .replicas import check_replicas

_TIMEOUT_SECS = 5
_NO_PRIMARY = "Start the sentinels and the primary, and compare the name in REDIS_URL with their SENTINEL MASTERS."
_NO_OWNER = "Start the nodes (redis-cli CLUSTER SLOTS says who has what). If this is one server, write redis://."
_NEARLY_FULL = 0.8
_OLDEST = (6, 2)
MOST_SKEW_SECS = 5.0


def check_all(target: Target, *, as_worker: bool = True) -> Iterator[Finding]:
    """Check each server once; its name lists everything that it is used for.

    With `as_worker`, its user must be one that may do what workers do.
    """
    delivery = target.delivery
    named = {"state": restore_credentials(delivery.state_url), "broker": delivery.url, "results": _results(target)}
    uses = {use: as_one_host(url) for use, url in named.items()}
    wanted = {uses["state"]: delivery.min_replicas, uses["broker"]: delivery.min_replicas}
    for url in dict.fromkeys(filter(None, uses.values())):
        own = [use for use, address in uses.items() if address == url]
        name = f"redis ({', '.join(own)})"
        if is_redis(url):
            yield from check_server(name, url, wanted.get(url, 0), names_of(target, own) if as_worker else None)
        else:
            yield Finding(
                name,
                State.WARNING,
                "is not Redis, so it is not checked",
                "Check it with its own tools: mgw doctor knows Redis alone.",
            )


def _results(target: Target) -> str:
    backend = str(target.app.conf.result_backend or "")
    return "" if backend.startswith("disabled") else backend


def check_server(name: str, url: str, min_replicas: int = 0, names: Names | None = None) -> Iterator[Finding]:
    """Check one server; so many of its replicas must confirm what is written, and these names are in it."""
    yield check_address(name, url)
    try:
        with connect(url, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS) as server:
            if names:
                yield from check_permissions(name, url, server, names)
            yield from _check_answers(name, server, in_cluster=url.startswith(CLUSTER))
            yield from check_replicas(name, server, min_replicas)
    except redis.RedisError as error:
        if isinstance(error, NotNow) and error.reply == REFUSES:
            found = "answers, but its user may not run what the doctor looks at it with (INFO, TIME)"
            yield Finding(name, State.FAILURE, found, "Run mgw doctor with REDIS_URL of workers or of operators.")
            return
        fix = "Is it up, and are its address and password right (REDIS_URL)?"
        if isinstance(error, NoServer):
            fix = _NO_PRIMARY if url.startswith(SENTINEL) else _NO_OWNER
        yield Finding(name, State.FAILURE, f"does not answer ({summary_of(error)})", fix)


def check_address(name: str, url: str) -> Finding:
    """A server on another host needs a password and should use TLS, or others can read what tasks carry."""
    parts = urlsplit(server_url(url))
    near = is_loopback(parts.hostname or "localhost")
    lacks = [text for text, there in {"password": parts.password, "TLS": parts.scheme == "rediss"}.items() if not there]
    found = f"without {' and '.join(lacks)}" if lacks else "password and TLS"
    bad = State.FAILURE if "password" in lacks else State.WARNING
    fix = "Set a password (requirepass), and use rediss:// unless the network is private: tasks carry private content."
    return judged(f"{name}: address", near or not lacks, f"{'on this host, ' if near else ''}{found}", fix, bad)


def _check_answers(name: str, server: "redis.Redis", *, in_cluster: bool) -> Iterator[Finding]:
    info = server.info()
    mode = str(info.get("redis_mode") or info.get("server_mode", "unknown"))  # Valkey has the second name, too
    yield judged(
        f"{name}: kind",
        in_cluster or mode != "cluster",
        mode,
        "It is a node of a cluster: write redis+cluster:// in place of redis:// (REDIS_URL).",
    )
    yield _version(name, info)
    yield _role(name, info)
    yield _eviction(name, info)
    yield _persistence(name, info)
    yield _memory(name, info)
    yield _clock(name, server)


def _version(name: str, info: dict[str, Any]) -> Finding:
    kind = "Valkey" if info.get("valkey_version") else "Redis"
    found = str(info.get("valkey_version") or info["redis_version"])
    recent = tuple(int(part) for part in found.split(".")[:2]) >= _OLDEST
    fix = "Install Redis 6.2 or newer, or Valkey, and let REDIS_URL name it."
    return judged(f"{name}: version", recent, f"{kind} {found}", fix, State.WARNING)


def _role(name: str, info: dict[str, Any]) -> Finding:
    role = str(info.get("role", "unknown"))
    if role == "master":
        return Finding(f"{name}: role", State.OK, "primary")
    link = f"replica of {info.get('master_host')}:{info.get('master_port')}, link {info.get('master_link_status')}"
    fix = "Let REDIS_URL name the primary: a replica refuses writes, and may lack the newest messages."
    return Finding(f"{name}: role", State.FAILURE, link if role == "slave" else role, fix)


def _eviction(name: str, info: dict[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    fix = "CONFIG SET maxmemory-policy noeviction (and in redis.conf): others delete tasks when memory is full."
    return judged(f"{name}: eviction", policy == "noeviction", f"maxmemory-policy {policy}", fix)


def _persistence(name: str, info: dict[str, Any]) -> Finding:
    check, fix = f"{name}: persistence", "Set appendonly yes and appendfsync everysec (or always). "
    fix += "If a provider keeps the data in another way, set REDIS_PERSISTENCE=managed for mgw doctor."
    if not info.get("aof_enabled"):
        if DoctorConfig.from_env().persistence == MANAGED:
            return Finding(check, State.OK, "kept by the provider (REDIS_PERSISTENCE=managed)")
        return Finding(check, State.FAILURE, "no append-only file: a restart loses tasks", fix)
    written = info.get("aof_last_write_status") == "ok"
    fix = "Its last write failed: make room on its disk if it is full (df), else see its log. Until redis-cli INFO "
    fix += "persistence says aof_last_write_status:ok, a restart loses tasks."
    return judged(check, written, "append-only file", fix)


def _memory(name: str, info: dict[str, Any]) -> Finding:
    used, most = int(info["used_memory"]), int(info.get("maxmemory") or 0)
    found = f"{used / 2**20:,.0f} MiB" + (f" of {most / 2**20:,.0f}" if most else ", no limit set")
    fix = "Give it more memory (CONFIG SET maxmemory), or let workers catch up: it refuses what is too much."
    return judged(f"{name}: memory", not most or used < _NEARLY_FULL * most, found, fix, State.WARNING)


def _clock(name: str, server: "redis.Redis") -> Finding:
    before = time.time()
    seconds, micros = server.time()
    after = time.time()
    return judged_clock(name, seconds + micros / 1e6, before, after)


def judged_clock(name: str, theirs: float, before: float, after: float, resolution_secs: float = 0.0) -> Finding:
    """Compare a clock with ours, which was read `before` and `after` it."""
    skew = theirs - min(max(theirs, before - resolution_secs), after)
    fix = "Synchronise the clocks by NTP (timedatectl set-ntp true): leases, countdowns and cutoffs depend on them."
    return judged(f"{name}: clock", abs(skew) <= MOST_SKEW_SECS, f"{skew:+.1f} s", fix, State.WARNING)
