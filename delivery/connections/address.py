"""Addresses of Redis: read in one place, shown without a password, and opened with it.

An address names one server, or whoever knows the server to use now: the sentinels of a primary, or nodes of a cluster.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ssl import VerifyMode
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SERVER = ("redis://", "rediss://")
SOCKET = "redis+socket://"
SENTINEL = ("redis+sentinel://", "rediss+sentinel://")
CLUSTER = ("redis+cluster://", "rediss+cluster://")
DISCOVERED = (*SENTINEL, *CLUSTER)  # the server is asked for: of sentinels, or of nodes of its cluster
_REDIS = (*SERVER, SOCKET, *DISCOVERED)
_PARTS = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://"
    r"(?:(?P<user>[^/?#\[\]@;\s]*)@)?(?P<hosts>[^/?@]*)/?(?P<path>[^?]*)\??(?P<query>.*)"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:,]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}
_LOGIN = {"sentinel_username": "username", "sentinel_password": "password"}
_TAG = re.compile(r"[^{]*\{([^}]+)\}")  # as Redis finds it: from the first brace that opens to the next that closes
_ENCODED = "in user and password, / ? # @ : ; and brackets are percent-encoded"
_WRITTEN = f"Must be {{}}; {_ENCODED}."
_SHAPES = {
    "sentinel": "redis+sentinel://user:password@host:26379,host:26379/name/0",
    "cluster": "redis+cluster://user:password@host:6379",
}

# What to write in place of an address that is none of ours; no other broker can hold queues, and none can keep leases.
_BY_SENTINEL = "Use redis+sentinel://host:26379,host:26379/name/0"
_INSTEAD = {
    "sentinel": _BY_SENTINEL,
    "redis-sentinel": _BY_SENTINEL,
    "redis-cluster": "Use redis+cluster://host:6379",
    "unix": "Use redis+socket:///path/to/socket",
}
_ONE_SERVER = "Use redis://host:port/0 of a Redis or Valkey server, or rediss:// for TLS"

_hidden: dict[str, str] = {}  # addresses with credentials, by what of them may be shown


@dataclass(frozen=True)
class Seeds:
    """Who knows the server to use, and how they and that server are spoken to."""

    kind: str  # sentinel or cluster
    hosts: tuple[tuple[str, int], ...]
    name: str  # of a primary, as its sentinels know it; of a cluster, the hash tag of the fleet's keys
    server_url: str = field(repr=False)  # the server's, with the first host and port that know it
    login: tuple[tuple[str, str], ...] = field(repr=False)  # of sentinels


def is_redis(url: str) -> bool:
    """Whether an address is one of a Redis or Valkey that delivery can keep messages in."""
    return url.startswith(_REDIS)


def check_address(url: str) -> None:
    """Refuse what is no address of a Redis that delivery can keep messages in; nothing of it is repeated.

    Raises: ValueError, which says what to write.
    """
    if is_redis(url):
        if not url.startswith(SOCKET):
            _refuse_several(url)
            _refuse_misread(url)
        return
    scheme, found, _ = url.partition("://")
    what = f"A broker of the kind {scheme}" if found and scheme.isascii() else "An address without a kind"
    why = "is not supported: delivery keeps messages by scripts that run in Redis or Valkey"
    raise ValueError(f"{what} {why}. {_INSTEAD.get(scheme, _ONE_SERVER)}.")


def seeds_of(url: str) -> Seeds | None:
    """Who knows the server of an address; None if it names the server itself.

    Raises: ValueError, which says how such an address is written.
    """
    parts = _PARTS.fullmatch(url)
    if parts is None:
        _refuse_unread(url)
        return None
    hosts = tuple(_host(text, _PORTS[parts["kind"]]) for text in unquote(parts["hosts"]).split(","))
    name, database = (_primary if parts["kind"] == "sentinel" else _tag)(unquote(parts["path"]))
    options = dict(parse_qsl(with_checked_tls(url).partition("?")[2], keep_blank_values=True))
    login = tuple((known, options.pop(name)) for name, known in _LOGIN.items() if name in options)
    (host, port), user = hosts[0], f"{parts['user']}@" if parts["user"] else ""
    where = f"[{host}]" if ":" in host else host
    query = f"?{urlencode(options)}" if options else ""
    return Seeds(parts["kind"], hosts, name, f"{parts['scheme']}://{user}{where}:{port}/{database}{query}", login)


def _refuse_unread(url: str) -> None:
    for kind, shape in _SHAPES.items():
        if url.startswith((f"redis+{kind}://", f"rediss+{kind}://")):
            raise ValueError(_WRITTEN.format(shape))


def _refuse_misread(url: str) -> None:
    """Refuse what other libraries read in another way, or fail on with a part of the password in the error's text."""
    netloc, _, rest = re.sub("[?#]", "/", url.partition("://")[2]).partition("/")
    found = server_url(url)
    try:
        is_odd = urlsplit(found).port == 0 or netloc.count("@") > 1 or "@" in rest or "#" in url
    except ValueError:
        is_odd = True
    if is_odd:
        raise ValueError(_WRITTEN.format("redis://user:password@host:6379/0"))


def _refuse_several(url: str) -> None:
    if ";" in url:
        raise ValueError(f"Must name one server: a primary that may move has its sentinels for that. {_BY_SENTINEL}.")


def _host(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) < 65_536:
        raise ValueError(f"Must name its hosts as host:port, with commas between them; {_ENCODED}.")
    return found["host"].strip("[]"), int(found["port"] or port)


def _primary(path: str) -> tuple[str, int]:
    name, _, database = path.partition("/")
    if not name or not (database or "0").isdigit():
        raise ValueError("Must name a primary, as in redis+sentinel://host:26379,host:26379/name/0.")
    return name, int(database or 0)


def _tag(path: str) -> tuple[str, int]:
    if path.startswith("{") and path.endswith("}"):
        return path[1:-1], 0
    if path not in ("", "0"):
        raise ValueError("Must name no database: a cluster has number 0 alone. Write redis+cluster://host:6379.")
    return "", 0


def with_hash_tag(url: str, key_prefix: str) -> str:
    """The address; of a cluster, with the hash tag of the key prefix, which decides which node has a fleet's keys.

    Raises: ValueError for a cluster and a prefix without a hash tag.
    """
    parts = _PARTS.fullmatch(url) if url.startswith(CLUSTER) else None
    if parts is None:
        return url
    tag = _TAG.match(key_prefix)
    if tag is None:
        raise ValueError("Must have a hash tag in a cluster, like {blue}:, so that one node has all keys.")
    end = f"?{parts['query']}" if parts["query"] else ""
    return f"{url[: parts.end('hosts')]}/{{{tag[1]}}}{end}"


def default_key_prefix(name: str, urls: Iterable[str]) -> str:
    """The key prefix of a fleet that was given none: a hash tag in a cluster, so that one node has all keys."""
    return f"{{{name}}}:" if any(url.startswith(CLUSTER) for url in urls) else ""


def refuse_old_prefix(old: str, key_prefix: str, urls: Iterable[str]) -> None:
    """Refuse an old prefix that is the one of today, or whose keys cannot be brought over where these servers are.

    Raises: ValueError, which says what to do.
    """
    if old == key_prefix:
        raise ValueError("Must not be the prefix of today: there is nothing to bring over. Leave it out.")
    for url in urls:
        try:
            with_hash_tag(url, old)
        except ValueError:
            move = "If they are on another server, bring them over with mgw queues move."
            raise ValueError(f"Must have a hash tag: in a cluster no fleet has keys without one. {move}") from None


def as_one_host(url: str) -> str:
    """The same address with all hosts written as one: Celery, which shows result stores, knows no list of hosts."""
    found = _PARTS.fullmatch(url)
    if found is None:
        return url
    return f"{url[: found.start('hosts')]}{quote(found['hosts'], safe='%')}{url[found.end('hosts') :]}"


def server_url(url: str) -> str:
    """The address as redis-py reads it; where others know the server, with one of them in its place.

    Raises: ValueError, which says how such an address is written.
    """
    seeds = seeds_of(url)
    found = seeds.server_url if seeds else url
    return found.replace(SOCKET, "unix://", 1).replace("virtual_host=", "db=", 1)


def with_checked_tls(url: str) -> str:
    """The address; over TLS the server's certificate is checked, unless the address says otherwise."""
    if not url.startswith(("rediss://", "rediss+")) or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def with_tls(url: str, given: Any) -> str:
    """The address with what Celery was told of TLS (`broker_use_ssl`, `redis_backend_use_ssl`): True, or a dictionary.

    So sentinels, nodes of a cluster, dead letters and holds are reached as the broker is. What the address itself says
    stays.
    """
    if not given or url.startswith(SOCKET):
        return url
    address, _, query = re.sub("^redis(?=[:+])", "rediss", url).partition("?")
    known = dict(parse_qsl(query, keep_blank_values=True))
    told = {name: _text_of(name, value) for name, value in (given if isinstance(given, Mapping) else {}).items()}
    added = urlencode({name: value for name, value in told.items() if value is not None and name not in known})
    return "?".join(filter(None, (address, "&".join(filter(None, (query, added))))))


def _text_of(name: str, value: Any) -> str | None:
    if name == "ssl_cert_reqs":  # a constant of the module ssl or its name
        reqs = VerifyMode(value) if isinstance(value, int) else str(value).upper()
        return (reqs.name if isinstance(reqs, VerifyMode) else reqs).removeprefix("CERT_").lower()
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(int(value) if isinstance(value, int) else value)


def without_credentials(url: str) -> str:
    """An address without user, password and options."""
    return re.sub("//[^/]*@", "//", url).partition("?")[0]


def hide_credentials(url: str) -> str:
    """An address without user, password and options; `connect` in this process finds them again.

    A worker tells its settings to everybody who asks, and Flower asks: no password may be in them.
    """
    name, number = without_credentials(url), 1
    while _hidden.setdefault(name, url) != url:  # the same server, with another user
        number += 1
        name = f"{without_credentials(url)}#{number}"
    return name


def restore_credentials(url: str) -> str:
    """The address with its credentials, of one that `hide_credentials` returned; any other as it is."""
    return _hidden.get(url, url)
