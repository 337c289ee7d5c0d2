"""Spans: how long something took, and whether it failed; never with the text of an error, which may quote content."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .context import TRACEPARENT, Callers, context_of, opentelemetry, trace_headers

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer, TracerProvider

_NOTHING = nullcontext[None]()
_OURS = "memory_graph_workers"
_SENT = {"messaging.system": "celery", "messaging.operation.type": "send"}


def span(
    name: str,
    kind: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    parent: "Context | None" = None,
    links: "Sequence[Link]" = (),
    is_current: bool = True,
    failure: type[BaseException] = BaseException,
) -> "AbstractContextManager[Span | None]":
    """Record what a block does as a span, and give it; give None in a process that records none.

    A `failure` that leaves the block is named by its class alone. A span that `is_current` is the parent of spans in
    its block; `parent` is the context to join, by default the current one.
    """
    api = opentelemetry()
    if api is None:
        return _NOTHING
    begun = _tracer(api.get_tracer_provider()).start_span(name, parent, api.SpanKind[kind], attributes, links)
    return _recorded(api, begun, failure, is_current=is_current)


def sending(
    name: str, headers: dict[str, Any], *, callers: Callers | None = None, begins_trace: bool = False
) -> "AbstractContextManager[Span | None]":
    """Record in a span that a task is sent, and name the span in the headers of its message.

    Headers that name one already stay, and no span is recorded: the task is tried again, or part of a larger send.
    A task that `begins_trace` has a trace of its own, linked to the current one.
    """
    if TRACEPARENT in headers or opentelemetry() is None:
        return _NOTHING
    linked = callers or Callers()
    if begins_trace:
        linked.note_current()
    parent = context_of(None) if begins_trace else None
    return _named_in(headers, span(f"send {name}", "PRODUCER", _SENT, parent=parent, links=linked.links))


def describe(recorded: "Span | None", facts: Mapping[str, Any]) -> None:
    """Add facts to a span if there is one; those that are None are left out."""
    if recorded is not None:
        recorded.set_attributes({name: value for name, value in facts.items() if value is not None})


def mark_failed(recorded: "Span", error_class: str) -> None:
    """Let a span say that what it records failed with an error of this class."""
    recorded.set_attribute("error.type", error_class)
    recorded.set_status(opentelemetry().StatusCode.ERROR)


@contextmanager
def _recorded(api: Any, begun: "Span", failure: type[BaseException], *, is_current: bool) -> "Generator[Span]":
    try:
        with api.use_span(begun, record_exception=False, set_status_on_exception=False) if is_current else _NOTHING:
            yield begun
    except failure as error:
        mark_failed(begun, type(error).__name__)
        raise
    finally:
        begun.end()


@contextmanager
def _named_in(headers: dict[str, Any], sent: "AbstractContextManager[Span | None]") -> "Generator[Span | None]":
    with sent as begun:
        headers.update(trace_headers(begun))
        yield begun


@lru_cache(maxsize=1)
def _tracer(provider: "TracerProvider") -> "Tracer":
    return provider.get_tracer(_OURS)
