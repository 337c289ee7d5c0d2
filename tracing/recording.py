"""Records the spans of this process and sends them, if OTEL_TRACES_EXPORTER says where to."""

import atexit
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING

from .config import TracingConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_STOP_SECS = 2.0  # a collector that is away must not hold up the end of a process
_STOPPING: list[tuple[Event, Thread]] = []  # threads that shut a sender down, and what each waits for


def start(config: TracingConfig, service: str) -> None:
    """Record spans from now on; `service` is the name that tools show, unless OTEL_SERVICE_NAME is set.

    For the process that runs the work: the thread that sends spans does not survive a fork. Nothing changes if traces
    are off, or if whoever started the process has OpenTelemetry record already.
    """
    if not config.is_on:
        return
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    sender = BatchSpanProcessor(config.exporter_class()())
    provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    provider.add_span_processor(sender)
    trace.set_tracer_provider(provider)
    _stop_with(sender.shutdown)


def stop() -> None:
    """Send what is recorded, within two seconds; what comes later is not recorded."""
    while _STOPPING:
        is_time, stopping = _STOPPING.pop()
        is_time.set()
        stopping.join(_STOP_SECS)


def _stop_with(shut_down: Callable[[], None]) -> None:
    """Let `stop` shut down in a thread that waits for it: a process that ends cannot start one."""
    is_time = Event()

    def wait() -> None:
        is_time.wait()
        shut_down()

    stopping = Thread(target=wait, name="traces", daemon=True)
    stopping.start()
    _STOPPING.append((is_time, stopping))
    atexit.register(stop)


def _resource(service: str) -> "Resource":
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource

    named = OTELResourceDetector().detect().attributes.get(SERVICE_NAME, service)
    return Resource.create({SERVICE_NAME: named})
