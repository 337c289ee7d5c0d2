"""What a producer in JavaScript gets wrong is named by the worker, and is among the dead letters."""

from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters
from redis import Redis
from support.embedded import Embedded
from support.our_app import KEYS

# What is sent, which field the answer names, and how.
NAMED = {
    "undefined": ("session_id", "Missing data for required field."),
    "not a number": ("prompt_tokens", "Field may not be null."),
    "a number with an exponent": ("prompt_tokens", "Not a valid integer."),
    "a number over 64 bits": ("prompt_tokens", "less than or equal to 9223372036854775807"),
    "a fraction": ("prompt_tokens", "Not a valid integer."),
    "a number as text": ("prompt_tokens", "Not a valid integer."),
    "milliseconds": ("timestamp", "Not an RFC 3339 timestamp"),
    "half a character": ("session_id", "Not text that UTF-8"),
    "a list": ("_schema", "Invalid input type."),
    "no payload": ("parameters", "Must be those of (report, idempotency_key=None)."),
    "a typo": ("promt_tokens", "Unknown field."),
    "a misspelt parameter": ("parameters", "Must be those of (report, idempotency_key=None)."),
}


@pytest.fixture
def letters(stack: Embedded) -> Callable[[], list[DeadLetter]]:
    def read() -> list[DeadLetter]:
        with Redis.from_url(stack.environ["REDIS_URL"]) as client:
            return DeadLetters(client, KEYS).list(100)

    return read


@pytest.mark.parametrize("kind", NAMED)
def test_a_wrong_payload_fails_with_the_name_of_its_field(
    found: dict[str, Any], letters: Callable[[], list[DeadLetter]], kind: str
) -> None:
    field, words = NAMED[kind]
    assert found[kind]["error"].startswith(f'ValidationError: [{{"{field}":["')
    assert words in found[kind]["error"]
    (letter,) = [letter for letter in letters() if letter.id == found[kind]["id"]]
    assert letter.reason == "invalid_payload"
    assert list(letter.fields or ()) == [field]


def test_a_misspelt_task_is_told_and_kept(found: dict[str, Any], letters: Callable[[], list[DeadLetter]]) -> None:
    assert found["a misspelt task"]["error"] == 'NotRegistered: ["memory_graph.registry.trak_usage"]'
    assert ("unknown_task", found["a misspelt task"]["id"]) in {(one.reason, one.id) for one in letters()}


def test_a_message_that_breaks_the_protocol_is_kept_with_what_is_wrong(
    found: dict[str, Any], letters: Callable[[], list[DeadLetter]]
) -> None:
    broken = {one.message: one for one in letters() if one.reason == "invalid_message"}
    assert set(broken) == {"kwargs", "id"}
    assert broken["kwargs"].id == found["parameters that are a list"]["id"]


def test_what_no_message_can_carry_is_refused_before_it_is_sent(found: dict[str, Any]) -> None:
    assert found["a big integer"] == found["no task of ours"] == {"refused": "TypeError"}


def test_text_of_every_script_arrives_as_it_was(found: dict[str, Any], stack: Embedded) -> None:
    session = stack.registry.get_session("שלום 🜁/1")
    assert found["unicode"]["result"]["session_id"] == session.session_id
    assert (session.model_id, session.metadata) == ("acme/modèle:1", {"clé": "naïve"})
