"""gRPC statuses of LLM-Memory-Graph as our errors, without the service's own text: its details may quote content."""

import re
from typing import Any

import grpc

from .errors import (
    AuthenticationError,
    ConnectionError,
    IntegrationError,
    Refused,
    ResponseTooLarge,
    SerializationError,
    ServiceUnavailable,
    Timeout,
)
from .http import MAX_RESPONSE_BYTES

MAX_MESSAGE_BYTES = MAX_RESPONSE_BYTES  # of a request, too
_KEY = "the service refused the key; set MEMORY_GRAPH_API_KEY"
_FAILED = "the service failed"
_MEANINGS: dict[Any, tuple[type[IntegrationError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (ConnectionError, "no connection; is the address right and the service up?"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Timeout, "no complete response in time"),
    grpc.StatusCode.CANCELLED: (Timeout, "the service broke the call off"),
    grpc.StatusCode.UNAUTHENTICATED: (AuthenticationError, _KEY),
    grpc.StatusCode.PERMISSION_DENIED: (AuthenticationError, _KEY),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (ServiceUnavailable, "the service has too much to do"),
    grpc.StatusCode.ABORTED: (ServiceUnavailable, "the service gave up"),
    grpc.StatusCode.INTERNAL: (ServiceUnavailable, _FAILED),
    grpc.StatusCode.UNKNOWN: (ServiceUnavailable, _FAILED),
    grpc.StatusCode.DATA_LOSS: (ServiceUnavailable, _FAILED),
    grpc.StatusCode.UNIMPLEMENTED: (Refused, "the service does not know this operation"),
    grpc.StatusCode.NOT_FOUND: (Refused, "not found"),
}
# As gRPC's libraries say it: C (Python, C++, Ruby), Go, Java, Rust.
_TOO_LARGE = re.compile(r"larger than max|exceeds maximum size|length too large")
_SIZE_CODES = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE)
_UNDECODABLE = "Exception deserializing response!"  # gRPC's own words, in our process


def error_of(failed: Any, request: Any, service: str, operation: str, request_id: str) -> IntegrationError:
    """Return our error for a call that gRPC ended with a status."""
    code, details = failed.code(), failed.details() or ""
    kind, message = _MEANINGS.get(code, (Refused, f"refused ({code.name})"))
    if code in _SIZE_CODES and _TOO_LARGE.search(details):
        kind, message = _too_large(details, request.ByteSize())
    elif code is grpc.StatusCode.INTERNAL and details == _UNDECODABLE:
        kind, message = SerializationError, "the response cannot be decoded"
    return kind(message, service, operation, code.value[0], request_id)


def _too_large(details: str, request_bytes: int) -> tuple[type[IntegrationError], str]:
    """Return what was too large: the request if its size is named, whichever side refused it."""
    if str(request_bytes) not in re.findall(r"\d+", details):
        return ResponseTooLarge, "the response is over 64 MiB"
    if request_bytes > MAX_MESSAGE_BYTES:
        return Refused, "the request is over 64 MiB"
    return Refused, "the request is larger than the service accepts"
