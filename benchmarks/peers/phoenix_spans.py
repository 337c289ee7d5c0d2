"""Arize Phoenix: a span with token counts a report, through OpenTelemetry's batching exporter over HTTP.

Runs in Phoenix's own environment (`make bench` makes it in build/phoenix), whose packages contradict ours. The queue is
long enough for all, because the exporter drops what does not fit.
"""

import json
import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

URL = f"{os.environ['BENCH_SERVER']}/v1/traces"
QUEUE, AT_ONCE, MOST_SECS = 100_000, 512, 120

provider = TracerProvider(resource=Resource({"openinference.project.name": os.environ["BENCH_PROJECT"]}))
provider.add_span_processor(
    BatchSpanProcessor(OTLPSpanExporter(URL), max_queue_size=QUEUE, max_export_batch_size=AT_ONCE)
)
tracer = provider.get_tracer("bench")


def send(reports: list[dict[str, Any]]) -> None:
    """Make a span of each report, and wait until all were exported."""
    for report in reports:
        with tracer.start_as_current_span(f"report-{report['metadata']['number']}", attributes=attributes(report)):
            pass
    if not provider.force_flush(MOST_SECS * 1000):
        raise RuntimeError("some spans were not exported")


def attributes(report: dict[str, Any]) -> dict[str, Any]:
    """A report in the names of OpenInference."""
    return {
        "openinference.span.kind": "LLM",
        "session.id": report["session_id"],
        "llm.model_name": report["model_id"],
        "llm.token_count.prompt": report["prompt_tokens"],
        "llm.token_count.completion": report["completion_tokens"],
        "llm.token_count.total": report["total_tokens"],
        "metadata": json.dumps(report["metadata"]),
    }
