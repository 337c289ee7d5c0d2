"""Addresses of Redis: shown without a password, and opened with it."""

import re
from typing import Any

import redis

from .replies import drops_when_refused

_REDIS = ("redis://", "rediss://", "redis+socket://")
_whole: dict[str, str] = {}  # addresses, by what of them may be shown


def is_redis(url: str) -> bool:
    """Whether a broker is a single Redis or Valkey server, the only kind that delivery can keep messages in."""
    return url.startswith(_REDIS)


def shown(url: str) -> str:
    """An address without user, password and options; `connect` takes it in place of the whole one.

    A worker tells its transport options to everybody who asks, and Flower asks: no password may be in them.
    """
    name = re.sub("//[^/]*@", "//", url).partition("?")[0]
    _whole[name] = url
    return name


def whole(url: str) -> str:
    """The address with its password, of one that `shown` gave."""
    return _whole.get(url, url)


def connect(url: str, *, timeout_secs: float, connect_timeout_secs: float, **options: Any) -> "redis.Redis":
    """A client of the Redis at an address, also at one that `shown` gave; it raises NotNow as `replies` says."""
    address = whole(url).replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    return drops_when_refused(
        redis.Redis.from_url(
            address, socket_timeout=timeout_secs, socket_connect_timeout=connect_timeout_secs, **options
        )
    )
