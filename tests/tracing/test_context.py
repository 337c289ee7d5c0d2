"""The header that carries a trace on: what it says, and that a forged one says nothing."""

import sys
from typing import Any

import pytest
from memory_graph_workers.delivery.messages.trace import trace_id_of
from memory_graph_workers.tracing.context import MOST_LINKS, TRACEPARENT, Callers, context_of, trace_headers, trace_id
from memory_graph_workers.tracing.spans import sending, span
from opentelemetry import trace
from support.traces import Recorded
from support.traces import recorded as recorded

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FORGED = [
    None,
    "",
    1,
    True,
    ["00"],
    {"traceparent": "x"},
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-01\n",
    f" 00-{TRACE}-{SPAN}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-0१",
    f"00-{TRACE}-{SPAN}-01" + "-" + "x" * 100_000,
    "0" * 1_000_000,
]


def short(forged: Any) -> str:
    return repr(forged)[:50]


def test_what_is_carried_on_is_read_again(recorded: Recorded) -> None:
    with span("outer", "INTERNAL") as outer:
        headers = trace_headers()
        assert headers == trace_headers(outer)
        assert trace_id() == trace_id_of(headers)
    assert list(headers) == [TRACEPARENT]
    assert recorded.named("outer")[0].is_named_by(headers)
    with span("inner", "INTERNAL", parent=context_of(headers[TRACEPARENT])):
        pass
    (inner,), (outer,) = recorded.named("inner"), recorded.named("outer")
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert (trace_headers(), trace_id()) == ({}, None)


@pytest.mark.parametrize("forged", [*FORGED, f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"], ids=short)
def test_a_forged_header_begins_a_trace(recorded: Recorded, forged: Any) -> None:
    with span("work", "INTERNAL"), span("inner", "INTERNAL", parent=context_of(forged)):
        pass
    (inner,) = recorded.named("inner")
    assert inner.parent_id == ""


@pytest.mark.parametrize("forged", FORGED, ids=short)
def test_delivery_takes_no_trace_from_a_forged_header(forged: Any) -> None:
    assert trace_id_of({TRACEPARENT: forged}) is None
    assert trace_id_of({TRACEPARENT: f"00-{TRACE}-{SPAN}-01"}) == TRACE


def test_who_decided_not_to_record_is_believed(recorded: Recorded) -> None:
    with span("work", "INTERNAL", parent=context_of(f"00-{TRACE}-{SPAN}-00")):
        assert trace_headers()[TRACEPARENT].startswith(f"00-{TRACE}-")
        assert trace_headers()[TRACEPARENT].endswith("-00")
        callers = Callers()
        callers.note_current()
        assert callers.links == []
    assert recorded.spans == []


def test_a_message_names_the_span_that_sent_it_unless_it_is_sent_again(recorded: Recorded) -> None:
    headers: dict[str, Any] = {"tenant": "a"}
    for _ in range(2):
        with sending("task", headers):
            pass
    (sent,) = recorded.spans
    assert (sent.name, sent.kind) == ("send task", "PRODUCER")
    assert sent.is_named_by(headers)
    assert list(headers) == ["tenant", TRACEPARENT]


def test_a_task_with_a_trace_of_its_own_is_linked_to_who_sent_it(recorded: Recorded) -> None:
    with span("sweep", "CONSUMER"), sending("page", headers := dict[str, Any](), begins_trace=True):
        pass
    sent, sweep = recorded.spans
    assert (sent.parent_id, sent.links) == ("", ((sweep.trace_id, sweep.span_id),))
    assert sent.trace_id != sweep.trace_id
    assert sent.is_named_by(headers)


def test_callers_are_counted_once_each_and_only_so_many(recorded: Recorded) -> None:
    callers = Callers()
    callers.note_current()  # nobody
    for number in range(MOST_LINKS + 10):
        with span(str(number), "SERVER"):
            callers.note_current()
            callers.note_current()
    assert len(callers.links) == MOST_LINKS
    with sending("batch", {}, callers=callers):
        pass
    (sent,) = recorded.named("send batch")
    assert sent.links == tuple((one.trace_id, one.span_id) for one in recorded.spans[:MOST_LINKS])


def test_an_error_is_named_by_its_class_alone(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="private"), span("work", "INTERNAL"):
        raise ValueError("private")
    with pytest.raises(KeyError), span("other", "INTERNAL", failure=ValueError):
        raise KeyError("private")
    work, other = recorded.spans
    assert (work.failed, work.attributes) == (True, {"error.type": "ValueError"})
    assert (other.failed, other.attributes) == (False, {})
    assert "private" not in work.text + other.text


@pytest.mark.parametrize("half", [None, type(sys)("opentelemetry.trace")], ids=["absent", "being imported"])
@pytest.mark.usefixtures("recorded")
def test_without_opentelemetry_nothing_is_recorded_and_nothing_sent_on(
    monkeypatch: pytest.MonkeyPatch, half: Any
) -> None:
    with trace.get_tracer("test").start_as_current_span("caller"):
        assert trace_headers() != {}
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", half)
        callers, headers = Callers(), dict[str, Any]()
        callers.note_current()
        with span("work", "INTERNAL") as begun, sending("task", headers, callers=callers) as sent:
            assert (begun, sent) == (None, None)
        assert (headers, trace_headers(), trace_id(), callers.links, context_of(f"00-{TRACE}-{SPAN}-01")) == (
            {},
            {},
            None,
            [],
            None,
        )
        monkeypatch.undo()
