"""What a test sees of traces: spans that this process records, and those that others send to a collector."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once


@dataclass(frozen=True)
class Seen:
    """A span as a tool shows it; ids are hexadecimal."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    failed: bool
    text: str  # all that it says

    def is_named_by(self, headers: Mapping[str, Any]) -> bool:
        """Whether it is the span that a message or a request carries on."""
        return bool(re.fullmatch(f"00-{self.trace_id}-{self.span_id}-0[13]", headers["traceparent"]))


class Recorded:
    """The spans of this process, by an in-memory exporter."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[Seen]:
        return [_seen_here(one) for one in self._exporter.get_finished_spans()]

    def named(self, name: str) -> list[Seen]:
        return [one for one in self.spans if one.name == name]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """This process records what it does until the test ends."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is provider
    yield Recorded(exporter)
    # OpenTelemetry lets a process have one provider for ever; the next test wants none.
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()


class Collector:
    """Takes spans over OTLP, as Jaeger does, and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = ExportTraceServiceRequest()
                asked.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                collector.spans += _seen_in(asked)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()

    @property
    def environ(self) -> dict[str, str]:
        """What lets workers and services send their spans here, soon."""
        return {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def named(self, name: str) -> list[Seen]:
        return [one for one in self.spans if one.name == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


def _seen_here(span: ReadableSpan) -> Seen:
    own, parent = span.get_span_context(), span.parent
    assert own is not None
    links = tuple((f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}") for one in span.links)
    return Seen(
        service="here",
        name=span.name,
        kind=span.kind.name,
        trace_id=f"{own.trace_id:032x}",
        span_id=f"{own.span_id:016x}",
        parent_id="" if parent is None else f"{parent.span_id:016x}",
        attributes=dict(span.attributes or {}),
        links=links,
        failed=span.status.status_code is trace.StatusCode.ERROR,
        text=span.to_json(),
    )


def _seen_in(asked: ExportTraceServiceRequest) -> Iterator[Seen]:
    for resource in asked.resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _seen_there(service, span)


def _seen_there(service: str, span: Span) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        links=tuple((one.trace_id.hex(), one.span_id.hex()) for one in span.links),
        failed=span.status.code == Status.StatusCode.STATUS_CODE_ERROR,
        text=str(span),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
