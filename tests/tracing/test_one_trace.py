"""From a producer through a worker and a service to its database is one trace; what it carried is in no span."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient, pb
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.tasks.archival import archive_session, sweep
from memory_graph_workers.tasks.registry import get_session, register_session
from memory_graph_workers.tracing.spans import span
from support.embedded import finished as run
from support.forked import ForkedChildren
from support.traces import Collector, Recorded, Seen
from support.traces import collector as collector
from support.traces import recorded as recorded
from support.waiting import until

CONTENT, SWEEP = "canary-content-4Rd", "the-sweep"
STEPS = ("sweep", "walk_page", "archive_batch")
MADE: list[str] = []  # the sessions of these tests
REPORTS = f"""
import sys
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.tracing import recording
from memory_graph_workers.tracing.config import TracingConfig
from memory_graph_workers.tracing.spans import span
recording.start(TracingConfig.from_env(), "producer")
with UsageReporter(interval_secs=60) as reporter:
    for name in ("first", "second"):
        with span(name, "SERVER"):
            for _ in range(2):
                reporter.report(
                    session_id=sys.argv[1], prompt_tokens=1, completion_tokens=1, metadata={{"a": "{CONTENT}"}}
                )
"""


@pytest.fixture(scope="module")
def stack(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = Path(tmp_path_factory.mktemp("traced"))
    (home / "logs").mkdir()
    with ForkedChildren(home / "logs") as children:
        settings = {**collector.environ, "ARCHIVAL_AFTER_DAYS": "0", "ARCHIVAL_BATCH_SIZE": "2"}
        stack = Stack(children, home, settings)
        stack.start_services()
        stack.start_worker()
        yield stack


@pytest.fixture
def connection(stack: Stack) -> Iterator[Connection]:
    settings = broker_settings(stack.environ["REDIS_URL"])
    with Connection(settings["broker_url"], transport=settings["broker_transport"]) as connection:
        yield connection


@pytest.fixture
def session_id(stack: Stack) -> str:
    """A conversation in the graph whose session is registered and completed."""
    return made(stack)


def made(stack: Stack) -> str:
    with (
        MemoryGraphClient(MemoryGraphConfig.from_env(stack.environ)) as graph,
        RegistryClient(RegistryConfig.from_env(stack.environ)) as registry,
    ):
        session_id = graph.create_session().id
        prompt = graph.add_prompt(session_id, f"What is {CONTENT}?")
        graph.add_response(prompt.id, CONTENT, pb.TokenUsage(total_tokens=3))
        registry.register_session(SessionRegistration(session_id, "acme/model:1", metadata={"a": CONTENT}))
        registry.update_session_status(session_id, SessionStatus.COMPLETED)
    MADE.append(session_id)
    return session_id


def path_to(last: Seen, spans: list[Seen]) -> list[tuple[str, str]]:
    """The services and names of a span and of all above it, the first one first."""
    by_id = {one.span_id: one for one in spans}
    above = path_to(by_id[last.parent_id], spans) if last.parent_id in by_id else []
    return [*above, (last.service, last.name)]


def of_trace(spans: list[Seen], trace_id: str, name: str) -> list[Seen]:
    return [one for one in spans if (one.trace_id, one.name) == (trace_id, name)]


def test_a_task_is_one_trace_from_its_producer_to_the_database(
    stack: Stack, collector: Collector, recorded: Recorded, connection: Connection
) -> None:
    name, route = "memory_graph.registry.register_session", "POST /api/v1/sessions"
    call = {"session_id": f"{CONTENT}-{uuid4()}", "model_id": CONTENT, "metadata": {"a": CONTENT}}
    with span("request", "SERVER"):
        register_session.apply_async((), call, task_id="one", connection=connection, ignore_result=True)
    (request,) = recorded.named("request")
    until(lambda: of_trace(collector.spans, request.trace_id, f"run {name}"))
    until(lambda: of_trace(collector.spans, request.trace_id, "write registry"))
    (last,) = of_trace(collector.spans, request.trace_id, "write registry")
    until(lambda: len(path_to(last, [*recorded.spans, *collector.spans])) == 6)
    assert path_to(last, [*recorded.spans, *collector.spans]) == [
        ("here", "request"),
        ("here", f"send {name}"),
        ("memory-graph-worker", f"run {name}"),
        ("memory-graph-worker", route),
        ("registry", route),
        ("registry", "write registry"),
    ]


def test_archiving_is_one_trace_through_all_services(
    stack: Stack, collector: Collector, recorded: Recorded, connection: Connection, session_id: str
) -> None:
    with span("request", "SERVER"):
        archive_session.apply_async((session_id,), connection=connection, ignore_result=True)
    (request,) = recorded.named("request")
    until(lambda: of_trace(collector.spans, request.trace_id, "run memory_graph.archival.archive_session"))
    until(lambda: of_trace(collector.spans, request.trace_id, "write vault"))
    (stored, *_) = of_trace(collector.spans, request.trace_id, "write vault")
    until(lambda: of_trace(collector.spans, request.trace_id, "read memory-graph"))
    (read, *_) = of_trace(collector.spans, request.trace_id, "read memory-graph")
    for last, services in ((stored, ("vault", "vault")), (read, ("memory-graph", "memory-graph"))):
        until(lambda last=last: path_to(last, [*recorded.spans, *collector.spans])[0] == ("here", "request"))
        path = path_to(last, [*recorded.spans, *collector.spans])
        assert tuple(service for service, _ in path[-2:]) == services
        assert path[2] == ("memory-graph-worker", "run memory_graph.archival.archive_session")


def test_reports_that_go_together_are_linked_to_who_made_them(
    stack: Stack, collector: Collector, session_id: str
) -> None:
    name = "memory_graph.registry.track_usage_batch"
    run([sys.executable, "-c", REPORTS, session_id], stack.child_environ(), 0)
    until(lambda: collector.named(f"run {name}") and collector.named(f"send {name}"))
    (sent,), (ran,) = collector.named(f"send {name}"), collector.named(f"run {name}")
    (first,), (second,) = collector.named("first"), collector.named("second")
    assert sent.links == ((first.trace_id, first.span_id), (second.trace_id, second.span_id))
    assert len({one.trace_id for one in (first, second, sent)}) == 3
    assert (ran.trace_id, ran.parent_id) == (sent.trace_id, sent.span_id)
    until(lambda: of_trace(collector.spans, sent.trace_id, "write registry"))


def test_calls_that_are_sent_in_one_go_have_one_span_that_sends_them(
    stack: Stack, collector: Collector, session_id: str
) -> None:
    code = f"""
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tracing import recording
from memory_graph_workers.tracing.config import TracingConfig
recording.start(TracingConfig.from_env(), "producer")
enqueue_many(track_usage, [dict(session_id="{session_id}", prompt_tokens=1, completion_tokens=1)] * 3)
"""
    run([sys.executable, "-c", code], stack.child_environ(), 0)
    name = "memory_graph.registry.track_usage"
    until(lambda: len(collector.named(f"run {name}")) == 3 and collector.named(f"send {name}"))
    (sent,) = collector.named(f"send {name}")
    assert {one.parent_id for one in collector.named(f"run {name}")} == {sent.span_id}


def links_of_senders(collector: Collector, name: str) -> list[tuple[tuple[str, str], ...]]:
    """What the spans that sent these steps are linked to, of those that are there already."""
    by_id = {one.span_id: one for one in collector.spans}
    return [by_id[one.parent_id].links for one in of_sweep(collector, name) if one.parent_id in by_id]


def test_each_step_of_a_sweep_is_a_trace_that_names_its_sweep(
    stack: Stack, collector: Collector, connection: Connection
) -> None:
    for _ in range(3):
        made(stack)
    sweep.apply_async((), {}, task_id=SWEEP, connection=connection, ignore_result=True)
    runs = [f"run memory_graph.archival.{step}" for step in STEPS]
    until(lambda: all(of_sweep(collector, name) for name in runs))
    (begun,), (page, *_), (batch, *_) = (of_sweep(collector, name) for name in runs)
    assert len({one.trace_id for one in (begun, page, batch)}) == 3
    until(lambda: ((begun.trace_id, begun.span_id),) in links_of_senders(collector, runs[1]))  # pages end in any order
    until(lambda: links_of_senders(collector, runs[2]))
    ((sender, _),) = links_of_senders(collector, runs[2])[0]
    until(lambda: sender in {one.trace_id for one in of_sweep(collector, runs[1])})
    until(lambda: lines_of_batches(stack) and traces_of_batches(stack) == traces(collector, runs[2]))


def test_every_line_of_a_sweep_names_it_and_its_trace(stack: Stack, collector: Collector) -> None:
    said = lines_of_sweep(stack)
    assert {"GetConversations", "/api/v1/sessions/read"} <= {str(line.get("route")) for line in said}
    assert [line["event"] for line in said if line.get("sweep_id") != SWEEP] == []
    without = [line["event"] for line in said if len(line.get("trace_id", "")) != 32]
    begun = [event for event in without if event.endswith(" received") and ".sweep[" in event]
    assert without == begun  # whoever sent this one records nothing, so its trace begins in the worker


def test_no_span_has_content_keys_or_ids_of_sessions(
    stack: Stack, collector: Collector, connection: Connection
) -> None:
    session_id = made(stack)
    name, route = "run memory_graph.registry.get_session", "GET /api/v1/sessions/{session_id}"
    get_session.apply_async((session_id,), connection=connection, ignore_result=True)
    until(lambda: collector.named(name) and {one.kind for one in collector.named(route)} >= {"CLIENT", "SERVER"})
    secrets = [CONTENT, *MADE, *vars(stack.keys).values()]
    assert len(MADE) > 3
    assert len(collector.spans) > 50
    assert [one.name for one in collector.spans for secret in secrets if secret in one.text] == []


def of_sweep(collector: Collector, name: str) -> list[Seen]:
    return [one for one in collector.named(name) if one.attributes["memory_graph.sweep_id"] == SWEEP]


def traces(collector: Collector, name: str) -> set[str]:
    return {one.trace_id for one in of_sweep(collector, name)}


def lines_of_sweep(stack: Stack) -> list[dict[str, Any]]:
    log = (stack.directory / "logs" / "worker.log").read_text().splitlines()
    said = [json.loads(line) for line in log if line.startswith("{")]
    return [line for line in said if line.get("task_name") in {f"memory_graph.archival.{step}" for step in STEPS}]


def lines_of_batches(stack: Stack) -> list[dict[str, Any]]:
    return [line for line in lines_of_sweep(stack) if line["task_name"].endswith(STEPS[-1])]


def traces_of_batches(stack: Stack) -> set[str]:
    return {line["trace_id"] for line in lines_of_batches(stack)}
