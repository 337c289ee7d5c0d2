"""A gRPC channel that shows a bearer key with each call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

GRAPH_KEY = "graph-key-1"


class Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, key: str) -> None:
        self._header = ("authorization", f"Bearer {key}")

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_key(details), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_key(details), request)

    def _with_key(self, details: Any) -> Details:
        metadata = [*(details.metadata or ()), self._header]
        compression = getattr(details, "compression", None)
        return Details(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, compression
        )


@contextmanager
def graph_channel(port: int, key: str = GRAPH_KEY, options: Sequence[tuple[str, Any]] = ()) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield grpc.intercept_channel(channel, Bearer(key))
