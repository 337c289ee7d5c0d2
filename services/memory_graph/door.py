"""What a call must show before the Memory-Graph reads its message: a bearer key."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from ..web.bearer import is_accepted

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
_HEALTH = "Health"


class Door(grpc.ServerInterceptor):
    """Refuses a call without a key; Health is open, and so is everything if there are no keys."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Choose what handles the call."""
        _, _, operation = handler_call_details.method.rpartition("/")
        if self._keys and operation != _HEALTH and not is_accepted(_authorization(handler_call_details), self._keys):
            return refusal(grpc.StatusCode.UNAUTHENTICATED, "a valid bearer key is needed")
        return continuation(handler_call_details)


def refusal(code: grpc.StatusCode, reason: str) -> "Handler":
    """A handler that ends a call of any kind without reading its message."""

    def refuse(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        context.abort(code, reason)
        yield  # a stream's behaviour is a generator

    return grpc.stream_stream_rpc_method_handler(refuse)


def _authorization(details: grpc.HandlerCallDetails) -> str:
    found = [value for name, value in details.invocation_metadata if name == "authorization"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""
