"""Addresses of Redis: read in one place, shown without a password, and opened with it.

An address names one server, or whoever knows the server to use now: the sentinels of a primary.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

SERVER = ("redis://", "rediss://")
SOCKET = "redis+socket://"
SENTINEL = ("redis+sentinel://", "rediss+sentinel://")
_REDIS = (*SERVER, SOCKET, *SENTINEL)
_PARTS = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<user>[^/?]*)@)?(?P<hosts>[^/?@]*)/?(?P<path>[^?]*)\??(?P<query>.*)"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:,]+)(?::(?P<port>[0-9]{1,5}))?")
_SENTINEL_PORT = 26379
_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}

# What to write in place of an address that is none of ours; no other broker can hold queues, and none can keep leases.
_INSTEAD = {
    "sentinel": "Write redis+sentinel://host:26379,host:26379/name/0",
    "redis-sentinel": "Write redis+sentinel://host:26379,host:26379/name/0",
    "redis+cluster": "Redis Cluster cannot carry queues. Write redis://host:port/0, of a server that is in no cluster",
    "unix": "Write redis+socket:///path/to/socket",
}
_ONE_SERVER = "Write redis://host:port/0 of a Redis or Valkey server, or rediss:// for TLS"

_whole: dict[str, str] = {}  # addresses, by what of them may be shown


@dataclass(frozen=True)
class Sentinels:
    """Sentinels that watch a primary, and how they and that primary are spoken to."""

    hosts: tuple[tuple[str, int], ...]
    primary: str  # its name, as the sentinels know it
    server_url: str = field(repr=False)  # the primary's, with the first sentinel's host and port
    login: tuple[tuple[str, str], ...] = field(repr=False)  # of the sentinels


def is_redis(url: str) -> bool:
    """Whether an address is one of a Redis or Valkey that delivery can keep messages in."""
    return url.startswith(_REDIS)


def check(url: str) -> None:
    """Refuse what is no address of a Redis that delivery can keep messages in; nothing of it is repeated.

    Raises: ValueError, which says what to write.
    """
    if is_redis(url):
        sentinels_of(url)
        return
    scheme, found, _ = url.partition("://")
    what = f"A broker of the kind {scheme}" if found and scheme.isascii() else "An address without a kind"
    why = "is not supported: delivery keeps messages by scripts that run in Redis or Valkey"
    raise ValueError(f"{what} {why}. {_INSTEAD.get(scheme, _ONE_SERVER)}.")


def sentinels_of(url: str) -> Sentinels | None:
    """What an address says of sentinels; None if it names the server itself.

    Raises: ValueError, which says how such an address is written.
    """
    parts = _PARTS.fullmatch(url)
    if parts is None:
        return None
    name, _, database = unquote(parts["path"]).partition("/")
    hosts = tuple(_host(text) for text in unquote(parts["hosts"]).split(","))
    if not name or not (database or "0").isdigit():
        raise ValueError("Must name a primary, as in redis+sentinel://host:26379,host:26379/name/0.")
    options = dict(parse_qsl(parts["query"], keep_blank_values=True))
    login = tuple((known, options.pop(name)) for name, known in _SENTINEL_OPTIONS.items() if name in options)
    (host, port), user = hosts[0], f"{parts['user']}@" if parts["user"] else ""
    where = f"[{host}]" if ":" in host else host
    query = f"?{urlencode(options)}" if options else ""
    return Sentinels(hosts, name, f"{parts['scheme']}://{user}{where}:{port}/{database or 0}{query}", login)


def _host(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or _SENTINEL_PORT) < 65_536:
        raise ValueError("Must name its hosts as host:port, with commas between them.")
    return found["host"].strip("[]"), int(found["port"] or _SENTINEL_PORT)


def as_one_host(url: str) -> str:
    """The same address with all hosts written as one: Celery, which shows result stores, knows no list of hosts."""
    found = _PARTS.fullmatch(url)
    if found is None:
        return url
    return f"{url[: found.start('hosts')]}{quote(found['hosts'], safe='%')}{url[found.end('hosts') :]}"


def server_url(url: str) -> str:
    """The address as redis-py reads it; of sentinels, with one of them in the place of the server."""
    sentinels = sentinels_of(url)
    found = sentinels.server_url if sentinels else url
    return found.replace(SOCKET, "unix://", 1).replace("virtual_host=", "db=", 1)


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
