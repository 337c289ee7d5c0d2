"""One call of a task, as its message carries it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ..schemas.fields import format_timestamp
from ..tasks.parameters import as_json

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Sent:
    """A call that was sent: its task's name, its id and its parameters as JSON values.

    `parameters` has every parameter by name; `fields` has a payload's fields beside the other parameters. A call that
    is to run later in a chain says after which id (`after`).
    """

    task: str
    id: str
    parameters: Mapping[str, Any]
    fields: Mapping[str, Any]
    queue: str = ""
    after: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def matches(self, wanted: Mapping[str, Any]) -> bool:
        """Return whether the call has these parameters, or fields of its payload."""
        known = {**self.fields, **self.parameters}
        return all(name in known and known[name] == plain(value) for name, value in wanted.items())

    def __str__(self) -> str:
        return call_text(self.task, self.fields) + (f"  # after {self.after}" if self.after else "")


def call_text(task: str, values: Mapping[str, Any]) -> str:
    """Return a call as a reader of a failed test wants to see it."""
    shown = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    return f"{task}({shown})"


def plain(value: Any) -> Any:
    """Return a value as a message carries it: a model as its fields, an enum's value, a time as text."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return as_json(value)


def signatures(embedded: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the signatures that are to run after a message's task, in their order: its chain, and its chord's body."""
    for signature in reversed(embedded.get("chain") or ()):
        yield from _flat(signature)
    if embedded.get("chord"):
        yield from _flat(embedded["chord"])


def _flat(signature: Any) -> Iterator[Any]:
    """Yield the tasks of a signature; Celery's own are groups, chains and chords of others."""
    if not signature["task"].startswith("celery."):
        yield signature
        return
    kwargs = signature.get("kwargs", {})
    for part in (*_listed(kwargs.get("header")), *(kwargs.get("tasks") or ()), *_listed(kwargs.get("body"))):
        yield from _flat(part)


def _listed(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list) else [part] if part else []


def _short(value: Any) -> str:
    text = repr(plain(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
