"""What a message or a request tells of its trace: the header `traceparent` of W3C, and no other."""

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanContext

TRACEPARENT = "traceparent"
MOST_LINKS = 64
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def opentelemetry() -> Any:
    """Return OpenTelemetry's API if this process records spans, else None; it is never imported for this.

    A process that has not loaded it, or set no provider, has neither a span nor anybody to send one to.
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    if not hasattr(api, "use_span"):  # its last name: another thread may be importing it
        return None
    # The one private name of theirs used here: get_tracer_provider looks into the environment, which a report feels.
    return None if getattr(api, "_TRACER_PROVIDER", api) is None else api


def trace_headers(span: "Span | None" = None) -> dict[str, str]:
    """Return the headers that name a span, else the current one, to whoever gets them; empty if there is none."""
    api = opentelemetry()
    if api is None:
        return {}
    named: SpanContext = (span or api.get_current_span()).get_span_context()
    if not named.is_valid:
        return {}
    return {TRACEPARENT: f"00-{named.trace_id:032x}-{named.span_id:016x}-{named.trace_flags:02x}"}


def context_of(header: object) -> "Context | None":
    """Return the context that a header names; an empty one if it names none, or is forged.

    None in a process that records no spans.
    """
    api = opentelemetry()
    if api is None:
        return None
    from opentelemetry.context import Context

    found = _FORM.fullmatch(header) if isinstance(header, str) else None
    if found is None:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    named = api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=api.TraceFlags(flags))
    return api.set_span_in_context(api.NonRecordingSpan(named), Context()) if named.is_valid else Context()


def trace_id() -> str | None:
    """Return the id of the current trace, as tools show it; None if there is none."""
    api = opentelemetry()
    named = api.get_current_span().get_span_context() if api is not None else None
    return f"{named.trace_id:032x}" if named is not None and named.is_valid else None


class Callers:
    """The spans that one message stands for: each once, at most 64 of them, and only those that are recorded."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], SpanContext] = {}

    def note_current(self) -> None:
        """Add the current span, if there is one."""
        api = opentelemetry()
        if api is None or len(self._found) >= MOST_LINKS:
            return
        named: SpanContext = api.get_current_span().get_span_context()
        if named.is_valid and named.trace_flags.sampled:
            self._found[named.trace_id, named.span_id] = named

    @property
    def links(self) -> "list[Link]":
        """Links to them, for the span of the message."""
        return [opentelemetry().Link(one) for one in self._found.values()]
