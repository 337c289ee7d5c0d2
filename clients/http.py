"""One HTTP exchange: pooled connections, a deadline for the whole of it, a bounded answer."""

import logging
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)
from urllib3.exceptions import HTTPError as BrokenTransfer

from .config import IDLE_CONNECTIONS, is_loopback
from .errors import ConnectionError, HttpError, IntegrationError, SerializationError, Timeout
from .pools import HandshakeFailed, HTTPPool, HTTPSPool, within

CONNECT_TIMEOUT_SECS = 10.0
IDLE_LIMIT_SECS = 90.0
USER_AGENT = f"memory-graph-workers/{version('memory-graph-workers')} python/{platform.python_version()}"
MAX_ANSWER_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10
# An error with one of these inside: no answer came in time; or the request never left.
_NO_ANSWER = (requests.exceptions.Timeout, ReadTimeoutError, TimeoutError)
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, NameResolutionError, ProxyError)

# urllib3 logs headers that it cannot parse; in a broken answer a piece of the body stands there.
logging.getLogger("urllib3.connection").addFilter(lambda record: "parse headers" not in str(record.msg))


class Transport:
    """Pooled connections to one service.

    What the environment says of proxies and CAs is looked up once, and so is the address: a request is made of
    ready parts, without what `requests.Session` does to each (netrc, cookies, hooks, quoting).
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        idle_limit_secs: float = IDLE_LIMIT_SECS,
        idle_connections: int = IDLE_CONNECTIONS,
    ) -> None:
        with requests.Session() as session:
            first = session.prepare_request(requests.Request("GET", base_url, auth=_as_it_is))
            settings: Any = session.merge_environment_settings(base_url, {}, True, None, None)
        self._base_url = str(first.url).rstrip("/")
        self._base_path = urlsplit(self._base_url).path
        self._headers = {"Accept-Encoding": first.headers["Accept-Encoding"], **(headers or {})}
        if is_loopback(urlsplit(base_url).hostname or ""):
            # A key for this host must not leave it in the clear, whatever the environment says of proxies.
            settings["proxies"] = {}
        self._adapter = _DeadlineAdapter(self._base_url, settings, idle_limit_secs, idle_connections)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, timeout_secs: float
    ) -> tuple[requests.Response, bytes]:
        """Send a request and read the whole answer within `timeout_secs`; no redirect is followed.

        The path is percent-encoded already.
        Raises: ConnectionError where nothing was sent, Timeout, HttpError where the transfer broke (both:
        the service may have done its work), SerializationError where the answer is over 64 MiB.
        """
        request = self._request(method, path, headers, body)
        timeouts = (min(CONNECT_TIMEOUT_SECS, timeout_secs), timeout_secs)
        try:
            with within(timeout_secs), self._adapter.send(request, True, timeouts) as answer:
                return answer, _read(answer)
        except (requests.exceptions.RequestException, BrokenTransfer, OSError) as error:
            ours = _translated(error, timeout_secs)
            # What broke a transfer quotes the answer, or the proxy's: it is no cause, for tracebacks are logged.
            quotes = isinstance(ours, HttpError) or any(isinstance(cause, ProxyError) for cause in _causes(error))
            raise ours from None if quotes else error

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> "_ReadyRequest":
        request = _ReadyRequest()
        request.method, request.url, request.body = method, self._base_url + path, body
        request.ready_path = self._base_path + path
        every: Any = {**self._headers, **headers}
        if body is not None or method in ("POST", "PUT"):
            every["Content-Length"] = str(len(body or b""))
        request.headers = every
        return request


class _ReadyRequest(requests.PreparedRequest):
    """A request whose parts need no preparing."""

    ready_path: str

    @property
    def path_url(self) -> str:
        """The path and the query."""
        return self.ready_path


class _Answer(requests.Response):
    """Status, headers, and the body to be read. No jar of cookies: none is sent back, and a jar is dear to make."""

    def __init__(self, raw: Any) -> None:
        self.status_code, self.headers, self.raw = raw.status, raw.headers, raw
        self._content: Any = False
        self._content_consumed = False


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for a password in ~/.netrc and sending that instead of the key."""
    return request


def _read(answer: requests.Response) -> bytes:
    if _is_short(answer):
        return answer.raw.read()
    parts: list[bytes] = []
    size = 0
    try:
        for part in answer.iter_content(_CHUNK_BYTES):
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                told = f"the answer is over {MAX_ANSWER_BYTES // 2**20} MiB"
                raise SerializationError(told, status=answer.status_code)
            parts.append(part)
    except ValueError:  # http.client's, of a piece of negative length
        raise HttpError("the pieces of the answer have no length") from None
    return b"".join(parts)


def _is_short(answer: requests.Response) -> bool:
    """Whether the body is one piece: no longer than a piece, and no less than it will be when unpacked.

    urllib3 and http.client must agree on its length: the one tells it, the other reads by it.
    """
    raw: Any = answer.raw
    left, inner = raw.length_remaining, raw._original_response
    if left is None or left != inner.length or inner.chunked:
        return False
    return left <= _CHUNK_BYTES and "Content-Encoding" not in answer.headers


def _translated(error: Exception, timeout_secs: float) -> IntegrationError:
    """Our error for what requests or urllib3 raised, without the address and the library's own text."""
    inside = list(_causes(error))
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return ConnectionError("no connection in time; is the address right and the service up?")
    if any(isinstance(cause, _NO_ANSWER) for cause in inside) and not any(
        isinstance(cause, ConnectTimeoutError) for cause in inside
    ):
        return Timeout(f"no whole answer within {timeout_secs:g} s")
    if any(isinstance(cause, HandshakeFailed) for cause in inside):
        return ConnectionError("no trusted TLS connection; is the certificate valid for this address?")
    if any(isinstance(cause, _NEVER_SENT) for cause in inside):
        return ConnectionError("no connection; is the address right and the service up?")
    if isinstance(error, requests.exceptions.ConnectionError | BrokenTransfer):
        return HttpError("the connection broke before the whole answer was read")
    return HttpError(f"the transfer broke ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it wraps: urllib3 puts causes into `reason` and into `args`."""
    yield error
    wrapped = [getattr(error, "reason", None), *error.args]
    for cause in wrapped:
        if isinstance(cause, BaseException):
            yield from _causes(cause)


class _DeadlineAdapter(HTTPAdapter):
    """Sends to one address, whose pool, proxy and certificates are found once."""

    def __init__(
        self, base_url: str, settings: Mapping[str, Any], idle_limit_secs: float, idle_connections: int
    ) -> None:
        limit = {"idle_limit_secs": idle_limit_secs}
        self._pools = {"http": type("_HTTP", (HTTPPool,), limit), "https": type("_HTTPS", (HTTPSPool,), limit)}
        self._settings = {name: settings[name] for name in ("proxies", "verify", "cert")}
        self._proxied = select_proxy(base_url, self._settings["proxies"]) is not None
        self._pool: Any = None
        super().__init__(pool_maxsize=idle_connections)

    def send(self, request: requests.PreparedRequest, stream: bool = True, timeout: Any = None, **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send a request, with what the environment says of this address."""
        return super().send(request, stream, timeout, **self._settings)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """The one pool; its certificates are looked for when it is made."""
        pool = self._pool
        if pool is None:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            # The pool's scheme, not the address's: a TLS proxy is verified for plain HTTP behind it, too.
            super().cert_verify(pool, f"{pool.scheme}://", verify, cert)
            self._pool = pool
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: it was done when the pool was made."""

    def request_url(self, request: Any, proxies: Any) -> str:
        """The path, or for a proxy the whole address."""
        return super().request_url(request, proxies) if self._proxied else request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """What is asked of an answer."""
        return _Answer(resp)

    def close(self) -> None:
        """Close the connections; the next request opens a new one."""
        self._pool = None
        super().close()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
