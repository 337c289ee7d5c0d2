"""Connections to one service, by the proxy and the certificates that the environment names."""

import http.client
import os
import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, prepend_scheme_if_needed, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.url import Url, parse_url

from .config import is_loopback
from .deadline import DeadlineSocket, DeadlineTLSSocket
from .errors import InvalidConfig


class HandshakeFailed(ssl.SSLError):
    """No TLS session was agreed on, so no request was sent."""


class _Response(http.client.HTTPResponse):
    """Reads the head of a response, and skips the hints before it (103), of which http.client skips only 100."""

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        while 100 < self.status < 200:
            self.headers = cast(Any, None)  # else `begin` returns at once
            super().begin()


class _Connection(HTTPConnection):
    """A connection whose socket keeps to the deadline, and which is not reused after `idle_limit_secs`."""

    response_class = _Response

    def __init__(self, *args: Any, idle_limit_secs: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle_limit_secs = idle_limit_secs
        self._used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the pool may use the connection again."""
        return time.monotonic() - self._used_at < self._idle_limit_secs and super().is_connected

    def getresponse(self) -> Any:
        """Read the head of a response."""
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response

    def _new_conn(self) -> socket.socket:
        # The one private name of urllib3 used here: nothing public sees the socket before a proxy responds to CONNECT.
        return DeadlineSocket(fileno=super()._new_conn().detach())


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        """Connect, through a proxy's tunnel if there is one.

        Raises: HandshakeFailed if the service or the proxy is not trusted.
        """
        try:
            super().connect()
        except ssl.SSLError as error:
            raise HandshakeFailed(*error.args) from error


def make_pools(base_url: str, idle_connections: int, idle_limit_secs: float) -> urllib3.PoolManager:
    """Return a manager of connections, with what the environment says of proxies and certificates for this address.

    Raises: InvalidConfig if the proxy or the certificates cannot be used.
    """
    with requests.Session() as session:
        settings: Any = session.merge_environment_settings(base_url, {}, True, None, None)
    # A key for this host must not leave it in the clear, whatever the environment says of proxies.
    local = is_loopback(urlsplit(base_url).hostname or "")
    proxy = None if local else _proxy(select_proxy(base_url, settings["proxies"]))
    context = None
    if "https" in (urlsplit(base_url).scheme, proxy and proxy.scheme):
        context = _trusting(settings["verify"])
    options: Any = {"maxsize": idle_connections, "ssl_context": context}
    pools = _behind(proxy, options) if proxy else urllib3.PoolManager(**options)
    pools.pool_classes_by_scheme = _classes(idle_limit_secs)
    return pools


def _classes(idle_limit_secs: float) -> Any:
    class HTTPPool(urllib3.HTTPConnectionPool):
        ConnectionCls = cast(Any, staticmethod(partial(_Connection, idle_limit_secs=idle_limit_secs)))

    class HTTPSPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = cast(Any, staticmethod(partial(_TLSConnection, idle_limit_secs=idle_limit_secs)))

    return {"http": HTTPPool, "https": HTTPSPool}


def _proxy(named: str | None) -> Url | None:
    if named is None:
        return None
    with suppress(ValueError):
        proxy = parse_url(prepend_scheme_if_needed(named, "http"))
        if proxy.scheme in ("http", "https") and proxy.host:
            return proxy
    # Its text may hold a password.
    told = "the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) must be http://host:port or https://…"
    raise InvalidConfig(told)


def _behind(proxy: Url, options: dict[str, Any]) -> urllib3.ProxyManager:
    headers = urllib3.make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
    context = options["ssl_context"]
    return urllib3.ProxyManager(proxy.url, proxy_headers=headers, proxy_ssl_context=context, **options)


def _trusting(certificates: str | bool) -> ssl.SSLContext:
    """Trust the certificates of this file or folder, or with True those that requests brings."""
    where = DEFAULT_CA_BUNDLE_PATH if certificates is True else str(certificates)
    context = create_urllib3_context()
    context.sslsocket_class = DeadlineTLSSocket
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(where) else "cafile": where})
    except OSError as error:
        told = f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names no file or folder of certificates: {where}"
        raise InvalidConfig(told) from error
    return context
