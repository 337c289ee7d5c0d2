"""A keyed usage report as our own producers write it."""

from typing import Any

WRITTEN: dict[str, Any] = {
    "session_id": "s",
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "model_id": "m",
    "total_tokens": 3,
    "latency_ms": None,
    "timestamp": "2026-01-31T12:00:00.000001Z",
    "metadata": {"route": "/chat", "tokens": {"cached_tokens": 1}},
    "idempotency_key": "k",
}
