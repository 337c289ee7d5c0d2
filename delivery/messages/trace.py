"""The trace of a message, by the header `traceparent` of W3C: delivery carries it on, and names it in its log."""

import re
from collections.abc import Mapping
from typing import Any

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id_of(headers: Mapping[str, Any]) -> str | None:
    """Return the id of the trace that a message's headers name; None if they name none, or a forged one."""
    named = headers.get("traceparent")
    found = _FORM.fullmatch(named) if isinstance(named, str) else None
    return found[1] if found is not None else None
