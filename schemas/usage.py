"""Payloads of LLM-Registry about token usage: a report, one that is known again by its key, and the sums."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import marshmallow
import orjson

from .base import Request, Response, ValidationError
from .fields import (
    MAX_COUNT,
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    Amount,
    Count,
    Id,
    IdOrEmpty,
    JsonObject,
    Key,
    ModestObject,
    ReadCount,
    SentTimestamp,
    Text,
    Timestamp,
    format_timestamp,
    is_plain_and_modest,
    now,
)
from .ids import time_ordered_id

# What a usage report may count in `metadata.tokens`; a Registry of ours adds them up in `custom_metrics`.
TOKEN_KINDS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "tool_tokens", "audio_tokens")
_COUNT = Count()


@dataclass(frozen=True)
class UsageReport:
    """Tokens of one model call; `total_tokens` is at least their sum. Without `timestamp` the server sets its time."""

    session_id: str
    prompt_tokens: int
    completion_tokens: int
    model_id: str = ""
    total_tokens: int | None = None
    latency_ms: int | None = None
    timestamp: datetime | None = field(default_factory=now)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class UsageReportSchema(Request[UsageReport]):
    model = UsageReport
    moment = "timestamp"

    session_id = Id(required=True)
    prompt_tokens = Count(required=True)
    completion_tokens = Count(required=True)
    model_id = IdOrEmpty()
    total_tokens = Count()
    latency_ms = Count(allow_none=True)
    timestamp = SentTimestamp()
    metadata = JsonObject()

    def check(self, data: dict[str, Any]) -> None:
        """Fill in the sum, and refuse a total that is less."""
        total = data["prompt_tokens"] + data["completion_tokens"]
        if total > MAX_COUNT:
            raise ValidationError({"total_tokens": ["Must not be over 2**63 - 1."]})
        if data.setdefault("total_tokens", total) < total:
            raise ValidationError(
                {"total_tokens": ["Must be at least prompt_tokens + completion_tokens, or left out."]}
            )
        tokens_by_kind(data.get("metadata") or {})


def tokens_by_kind(metadata: dict[str, Any]) -> dict[str, int]:
    """What a usage report counts in `metadata.tokens`; null counts nothing, other names are left alone.

    Raises: ValidationError if one of TOKEN_KINDS is not a count.
    """
    given = metadata.get("tokens")
    if given is None:
        return {}
    counts = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    counted = {kind: counts[kind] for kind in TOKEN_KINDS if counts.get(kind) is not None}
    try:
        return {kind: cast(int, _COUNT.deserialize(count)) for kind, count in counted.items()}
    except marshmallow.ValidationError:
        mistake = f"{', '.join(TOKEN_KINDS)} of tokens must be whole numbers from 0 to 2**63 - 1."
        raise ValidationError({"metadata": [mistake]}) from None


@dataclass(frozen=True)
class KeyedUsageReport(UsageReport):
    """A usage report of a batch, with the key by which the registry knows it again."""

    idempotency_key: str = field(default_factory=time_ordered_id)


_ABSENT = object()  # what no field takes for valid
_DEFAULTS = {"model_id": "", "latency_ms": None, "metadata": {}}
# The texts of a keyed report, in lines: two ids and a key of ASCII, and a time as we write it.
_PLAIN_TEXTS = re.compile(
    rf"(?!\.\.?\n)[ -~]{{1,{MAX_ID_LENGTH}}}\n(?!\.\.?\n)[ -~]{{0,{MAX_ID_LENGTH}}}\n[!-~]{{1,{MAX_KEY_LENGTH}}}\n"
    r"[1-8]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.(?!000000)\d{6})?Z",
    re.ASCII,
).fullmatch


class KeyedUsageReportSchema(UsageReportSchema):
    model = KeyedUsageReport
    identity = "idempotency_key"

    metadata = ModestObject()
    idempotency_key = Key()

    def plain_text(self, given: dict[str, Any]) -> bytes | None:
        """Return a report's fields as JSON, with what the sender left out; None if `read` has to look at them."""
        filled = {**self._left_out, **given}
        moment, prompt, completion = filled["timestamp"], filled["prompt_tokens"], filled["completion_tokens"]
        if moment is _ABSENT or (type(moment) is datetime and moment.tzinfo is UTC):
            filled["timestamp"] = format_timestamp(now() if moment is _ABSENT else moment)
        if filled["total_tokens"] is _ABSENT and type(prompt) is type(completion) is int:
            filled["total_tokens"] = prompt + completion
        return None if self._plain_values(filled) is None else orjson.dumps(filled)

    def _plain_values(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        if tuple(payload) != tuple(self._left_out):
            return None
        session_id, prompt, completion, model_id, total, latency, moment, metadata, key = payload.values()
        if not (
            type(session_id) is type(model_id) is type(moment) is type(key) is str
            and _PLAIN_TEXTS(f"{session_id}\n{model_id}\n{key}\n{moment}")
            and type(prompt) is type(completion) is type(total) is int
            and 0 <= prompt <= prompt + completion <= total <= MAX_COUNT
            and (latency is None or (type(latency) is int and 0 <= latency <= MAX_COUNT))
            and is_plain_and_modest(metadata)
        ):
            return None
        try:
            tokens_by_kind(metadata)
            return {**payload, "timestamp": datetime.fromisoformat(moment)}
        except (ValueError, marshmallow.ValidationError):  # no such day or minute; or a count of tokens is none
            return None

    @cached_property
    def _left_out(self) -> dict[str, Any]:
        """All fields in the order in which they are written, with their defaults."""
        return {name: _DEFAULTS.get(name, _ABSENT) for name in self.fields}


@dataclass(frozen=True)
class UsageStats:
    """What a session or a model used between two moments; all zero where there was no report yet."""

    id: str
    from_: datetime
    to: datetime
    total_prompts: int = 0
    total_responses: int = 0
    total_prompt_tokens: int = 0
    total_completion_tokens: int = 0
    total_tokens: int = 0
    avg_latency_ms: float = 0.0
    custom_metrics: dict[str, Any] = field(default_factory=dict[str, Any])


class UsageStatsSchema(Response[UsageStats]):
    model = UsageStats

    id = Text(required=True)
    from_ = Timestamp(required=True, data_key="from")
    to = Timestamp(required=True)
    total_prompts = ReadCount()
    total_responses = ReadCount()
    total_prompt_tokens = ReadCount()
    total_completion_tokens = ReadCount()
    total_tokens = ReadCount()
    avg_latency_ms = Amount(least=0)
    custom_metrics = JsonObject()
