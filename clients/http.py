"""One HTTP exchange: pooled connections, a deadline for the whole of it, a bounded response."""

import logging
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from io import BytesIO
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from .config import IDLE_CONNECTIONS
from .deadline import within
from .errors import ConnectionError, HttpError, IntegrationError, ResponseTooLarge, Timeout
from .pools import HandshakeFailed, make_pools

CONNECT_TIMEOUT_SECS = 10.0
IDLE_LIMIT_SECS = 90.0
USER_AGENT = f"memory-graph-workers/{version('memory-graph-workers')} python/{platform.python_version()}"
MAX_RESPONSE_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10
_NO_RETRY = urllib3.Retry(False)
_COMPRESSION = urllib3.make_headers(accept_encoding=True)

# urllib3 logs headers that it cannot parse; in a broken response a piece of the body stands there.
logging.getLogger("urllib3.connection").addFilter(lambda record: "parse headers" not in str(record.msg))


class Transport:
    """Pooled connections to one service; what the environment says of proxies and certificates is looked up once."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        idle_limit_secs: float = IDLE_LIMIT_SECS,
        idle_connections: int = IDLE_CONNECTIONS,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._pools = make_pools(base_url, idle_connections, idle_limit_secs)
        self._pool = self._pools.connection_from_url(base_url)
        # A proxy forwards plain HTTP to the address in the request; a tunnel and a service itself want the path alone.
        address = urlsplit(self._base_url)
        self._target = self._base_url if self._pool.proxy and address.scheme == "http" else address.path
        self._headers = {**_COMPRESSION, **(headers or {})}

    def close(self) -> None:
        """Close the idle connections; the next request opens a new one."""
        self._pools.clear()
        self._pool = self._pools.connection_from_url(self._base_url)

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_secs: float,
        most_bytes: int | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Send a request and read the whole response within `timeout_secs`; no redirect is followed.

        The path is percent-encoded already.
        Raises: ConnectionError if nothing was sent; Timeout, or HttpError if the transfer broke (in both cases the
        service may have done its work); ResponseTooLarge if the response is over `most_bytes` (64 MiB).
        """
        try:
            with within(timeout_secs), self._open(method, path, headers, body, timeout_secs) as response:
                return response, _read(response, most_bytes or MAX_RESPONSE_BYTES)
        except (HTTPError, OSError) as error:
            ours = _translated(error, timeout_secs)
            # What broke a transfer quotes the response, or the proxy's: it is no cause, for tracebacks are logged.
            quotes = isinstance(ours, HttpError) or any(isinstance(cause, ProxyError) for cause in _causes(error))
            raise ours from None if quotes else error

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, timeout_secs: float
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.urlopen(
            method,
            self._target + path,
            body=body,
            headers={**self._headers, **headers},
            retries=_NO_RETRY,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECS, timeout_secs), read=timeout_secs),
            preload_content=False,
        )


def _read(response: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
    read = BytesIO()  # gives its bytes without a copy; parts that are joined take their size twice
    try:
        for part in response.stream(_CHUNK_BYTES):
            if read.tell() + len(part) > most_bytes:
                told = f"the response is over {most_bytes / 2**20:g} MiB"
                raise ResponseTooLarge(told, status=response.status)
            read.write(part)
    except ValueError:  # http.client's, of a chunk of negative length
        raise HttpError("a chunk of the response has a negative length") from None
    return read.getvalue()


def _translated(error: Exception, timeout_secs: float) -> IntegrationError:
    """Return our error for what urllib3 raised, without the address and the library's own text."""
    causes = list(_causes(error))

    def has(*kinds: type[Exception]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if has(ConnectTimeoutError):
        return ConnectionError("no connection in time; is the address right and the service up?")
    if has(ReadTimeoutError, TimeoutError):
        return Timeout(f"no complete response within {timeout_secs:g} s")
    if has(HandshakeFailed):
        return ConnectionError("no trusted TLS connection; is the certificate valid for this address?")
    if has(NewConnectionError, NameResolutionError, ProxyError):
        return ConnectionError("no connection; is the address right and the service up?")
    return HttpError("the connection broke before the whole response was read")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it wraps; urllib3 puts causes into `reason` and into `args`."""
    yield error
    wrapped = [getattr(error, "reason", None), *error.args]
    for cause in wrapped:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
