"""Where spans go: as OpenTelemetry's variables say, and nowhere without them or without OpenTelemetry."""

import json
import os
import sys
import time
from typing import Any

import pytest
from memory_graph_workers.tracing import recording
from memory_graph_workers.tracing.config import TracingConfig
from opentelemetry import trace
from support.broker import Broker
from support.broker import broker as broker
from support.embedded import finished
from support.traces import Collector, Recorded
from support.traces import collector as collector
from support.traces import recorded as recorded
from support.waiting import SOON_SECS

QUEUE = "memory_graph.registry"
RECORDS = """
from memory_graph_workers.tracing import recording
from memory_graph_workers.tracing.config import TracingConfig
from memory_graph_workers.tracing.spans import span
recording.start(TracingConfig.from_env(), "ours")
with span("{name}", "INTERNAL"):
    pass
"""
WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
"""
SENDS = """
from memory_graph_workers.tasks.registry import register_session, track_usage
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.usage import UsageReporter
report = dict(session_id="s", prompt_tokens=1, completion_tokens=1)
register_session.apply_async((), dict(session_id="s", model_id="m"), ignore_result=True)
enqueue_many(track_usage, [report])
with UsageReporter() as reporter:
    reporter.report(**report)
"""
IMPORTS = """
import importlib, pkgutil
import memory_graph_workers.tracing
for folder in ("schemas", "tracing", "delivery", "clients", "tasks", "services"):
    package = importlib.import_module(f"memory_graph_workers.{folder}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def program(code: str, **environ: str) -> str:
    return finished([sys.executable, "-c", code], os.environ | environ, 0).stdout


def test_a_process_sends_what_it_recorded_before_it_ends(collector: Collector) -> None:
    late = {**collector.environ, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    program(RECORDS.format(name="by our name"), **late)
    program(RECORDS.format(name="by another name"), **late, OTEL_SERVICE_NAME="theirs")
    program(RECORDS.format(name="off"), **late, OTEL_SDK_DISABLED="true")
    seen = {(one.service, one.name) for one in collector.spans}
    assert seen == {("ours", "by our name"), ("theirs", "by another name")}


def test_a_collector_that_is_away_holds_up_no_end() -> None:
    # Without the bound it would try for five minutes; the imports alone may take some seconds on a busy machine.
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    began = time.monotonic()
    program(RECORDS.format(name="x"), OTEL_TRACES_EXPORTER="otlp", **away)
    assert time.monotonic() - began < 4 * SOON_SECS


def test_who_records_already_goes_on(recorded: Recorded) -> None:
    known = trace.get_tracer_provider()
    recording.start(TracingConfig("console"), "ours")
    assert trace.get_tracer_provider() is known
    recording.stop()


@pytest.mark.parametrize("given", ["none", "", None])
def test_it_is_off_by_default(given: str | None) -> None:
    assert not TracingConfig.from_env({} if given is None else {"OTEL_TRACES_EXPORTER": given}).is_on


@pytest.mark.parametrize(
    ("name", "protocol", "wanted"),
    [
        ("otlp", "http/protobuf", "OTLPSpanExporter"),
        ("otlp_proto_http", "grpc", "OTLPSpanExporter"),
        ("console", "grpc", "ConsoleSpanExporter"),
    ],
)
def test_an_exporter_is_found_by_its_name(name: str, protocol: str, wanted: str) -> None:
    given = {"OTEL_TRACES_EXPORTER": name, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    assert TracingConfig.from_env(given).exporter_class().__name__ == wanted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, r"no exporter jaeger is installed; install the extra \[tracing\]"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "no exporter otlp_proto_grpc"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_one_that_is_not_there_is_a_mistake(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TracingConfig.from_env(given)


def test_without_opentelemetry_all_of_it_works_and_messages_are_the_same(broker: Broker) -> None:
    program(WITHOUT + IMPORTS + "assert not [name for name in sys.modules if name.startswith('opentelemetry')]")
    headers: list[list[dict[str, Any]]] = []
    for before in (WITHOUT, "import opentelemetry.trace\n"):
        program(before + SENDS, REDIS_URL=broker.url)
        sent = [json.loads(item)["headers"] for item in broker.redis.lrange(QUEUE, 0, -1)]
        headers.append([{name: type(value) for name, value in one.items()} for one in sent])
        broker.redis.delete(QUEUE)
    assert len(headers[0]) == 3
    assert headers[0] == headers[1]
    assert not any("traceparent" in one for one in headers[0])


def test_without_opentelemetry_traces_cannot_be_switched_on() -> None:
    code = """
from memory_graph_workers.tracing.config import TracingConfig
try:
    TracingConfig.from_env({"OTEL_TRACES_EXPORTER": "console"})
except ValueError as error:
    print(error)
"""
    assert "install the extra [tracing]" in program(WITHOUT + code)
