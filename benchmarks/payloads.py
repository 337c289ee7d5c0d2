"""The work that everybody gets: usage reports made up from a seed, the same for all."""

import random
from typing import Any

SEED = 5
SESSIONS = [f"session-{number:04}" for number in range(100)]


def reports(many: int) -> list[dict[str, Any]]:
    """Usage reports of a hundred sessions, about 300 bytes each as JSON."""
    chance = random.Random(SEED)
    return [_report(chance, number) for number in range(many)]


def numbered(many: int) -> list[dict[str, Any]]:
    """The same reports, each with its number among its metadata, by which a database can be counted."""
    made = reports(many)
    for number, report in enumerate(made):
        report["metadata"]["number"] = number
    return made


def _report(chance: random.Random, number: int) -> dict[str, Any]:
    prompt, completion = chance.randrange(20, 4000), chance.randrange(1, 1200)
    return {
        "session_id": SESSIONS[number % len(SESSIONS)],
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "model_id": chance.choice(["small-model", "large-model"]),
        "total_tokens": prompt + completion,
        "latency_ms": chance.randrange(100, 20_000),
        "timestamp": "2026-01-01T12:00:00Z",
        "metadata": {"route": "/chat", "team": f"team-{number % 7}"},
    }


def due_session_id(number: int) -> str:
    """The id of a session to archive."""
    return f"session-{number:08}"
