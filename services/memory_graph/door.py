"""What lets a call in, and how long it may stay: a bearer key, room among the calls in flight, a deadline."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from ..web.bearer import is_accepted

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

T = TypeVar("T")
CALL_SECS = 60.0
_WAITING_CALLS_PER_THREAD = 8
_OPEN_THREADS = 4
_CHECK_SECS = 1.0
_HEALTH = "Health"


class CallThreads(ThreadPoolExecutor):
    """The threads that run calls, and the calls in flight; an idle connection is not one."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._in_flight: set[Future[Any]] = set()
        self._most = threads * _WAITING_CALLS_PER_THREAD
        self.streams = threading.BoundedSemaphore(max(1, threads // 2))

    @property
    def are_full(self) -> bool:
        """Whether as many calls are in flight or wait as may."""
        return len(self._in_flight) >= self._most

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run one call."""
        future = super().submit(fn, *args, **kwargs)
        self._in_flight.add(future)
        future.add_done_callback(self._in_flight.discard)
        return future

    def wait_until_idle(self, timeout_secs: float) -> None:
        """Wait until no call is in flight."""
        wait(list(self._in_flight), timeout_secs)


class Deadlines(threading.Thread):
    """Breaks off calls that stay too long, whatever they wait for: their message, or a caller that does not read."""

    def __init__(self, secs: float) -> None:
        super().__init__(daemon=True)
        self._secs = secs
        self._ends: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()
        self.start()

    @contextmanager
    def watch(self, context: grpc.ServicerContext) -> Generator[None]:
        """Break the call off if the block lasts too long."""
        with self._lock:
            self._ends[context] = time.monotonic() + self._secs
        try:
            yield
        finally:
            with self._lock:
                self._ends.pop(context, None)

    def run(self) -> None:
        """Look once a second."""
        while True:
            time.sleep(_CHECK_SECS)
            for context in self._late():
                context.cancel()

    def _late(self) -> list[grpc.ServicerContext]:
        now = time.monotonic()
        with self._lock:
            return [context for context, end in self._ends.items() if end < now]


class Door(grpc.ServerInterceptor):
    """Refuses a call without a key, or too many; Health is open, has threads of its own, and reads no message.

    Without keys everything is open.
    """

    def __init__(self, keys: tuple[str, ...], calls: CallThreads, call_secs: float = CALL_SECS) -> None:
        self._keys, self._calls, self._deadlines = keys, calls, Deadlines(call_secs)
        self._apart = ThreadPoolExecutor(_OPEN_THREADS)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Choose what handles the call."""
        _, _, operation = handler_call_details.method.rpartition("/")
        if operation == _HEALTH:
            return self._unread(continuation(handler_call_details))
        if self._keys and not is_accepted(_authorization(handler_call_details), self._keys):
            return self._refusal(grpc.StatusCode.UNAUTHENTICATED, "a valid bearer key is needed")
        if self._calls.are_full:
            return self._refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls at the same time; try again")
        return self._bounded(continuation(handler_call_details))

    def _unread(self, handler: "Handler | None") -> "Handler | None":
        """A call whose message says nothing, so that nobody waits for it."""
        answer: Any = handler and handler.unary_unary
        if handler is None or answer is None:
            return handler

        def behaviour(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return answer(None, context)

        return self._on_side(grpc.stream_unary_rpc_method_handler, behaviour, handler)

    def _refusal(self, code: grpc.StatusCode, reason: str) -> "Handler":
        """Ends a call of any kind without reading its message."""

        def behaviour(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            context.abort(code, reason)
            yield  # a stream's behaviour is a generator

        return self._on_side(grpc.stream_stream_rpc_method_handler, behaviour, None)

    def _on_side(self, kind: Callable[..., "Handler"], behaviour: Any, handler: "Handler | None") -> "Handler":
        behaviour.experimental_thread_pool = self._apart
        return kind(behaviour, None, handler and handler.response_serializer)

    def _bounded(self, handler: "Handler | None") -> "Handler | None":
        """The same call with a deadline, which also holds while its message is awaited."""
        if handler is None:
            return None
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream(handler.unary_stream, decode), None, encode)
        return grpc.stream_unary_rpc_method_handler(self._call(handler.unary_unary, decode), None, encode)

    def _call(self, answer: Any, decode: Any) -> Any:
        def behaviour(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with self._deadlines.watch(context):
                return answer(_message(requests, decode, context), context)

        return behaviour

    def _stream(self, answer: Any, decode: Any) -> Any:
        def behaviour(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            if not self._calls.streams.acquire(blocking=False):
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams at the same time; try again")
            try:
                with self._deadlines.watch(context):
                    yield from answer(_message(requests, decode, context), context)
            finally:
                self._calls.streams.release()

        return behaviour


def _message(requests: Iterator[bytes], decode: Callable[[bytes], Any] | None, context: grpc.ServicerContext) -> Any:
    """The call's message, decoded here: a message that gRPC itself cannot decode counts as in flight for ever."""
    received = next(requests, None)
    if received is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
    try:
        return decode(received) if decode else received
    except Exception:  # noqa: BLE001  protobuf's DecodeError quotes the message, and the caller must not wait
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message cannot be decoded")


def _authorization(details: grpc.HandlerCallDetails) -> str:
    found = [value for name, value in details.invocation_metadata if name == "authorization"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""
