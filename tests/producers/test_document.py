"""The AsyncAPI document is one by the official schema, and says what really is on the queues and comes back."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from embedded import Embedded
from jsonschema import Draft7Validator
from memory_graph_workers.cli.asyncapi import document
from redis import Redis

ROOT = Path(__file__).parent.parent.parent
PYTHON = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "producers.md").read_text(), re.DOTALL | re.MULTILINE)
DOCUMENT = document()
WITHOUT_WORKER = "/5"  # a database whose queues nobody reads
WITH_THE_PACKAGE = """
from memory_graph_workers.tasks import archival, registry, vault
registry.track_usage.delay(session_id="s-1", prompt_tokens=1, completion_tokens=2)
vault.batch_archive.apply_async(([{"session_id": "s", "data": None, "retention_days": 1}],), task_id="b", countdown=5)
archival.create_standard_policy.apply_async((400,), expires=60)
registry.health_check.delay()
"""
BY_HAND = next(block for block in PYTHON if "lpush" in block)
WITH_CELERY = re.sub(r"print\((.*)\.get\(.*", r"\1", next(block for block in PYTHON if "import Celery" in block))
SENDERS = {"the package": (WITH_THE_PACKAGE, 4), "plain Celery": (WITH_CELERY, 1), "by hand": (BY_HAND, 1)}


def mistakes(pointer: str, value: Any) -> list[str]:
    """What a value breaks of the schema at a place of the document."""
    return [error.message for error in Draft7Validator({**DOCUMENT, "$ref": f"#/{pointer}"}).iter_errors(value)]


@pytest.fixture
def broker(stack: Embedded) -> Any:
    with Redis.from_url(stack.environ["REDIS_URL"]) as client:
        yield client


@pytest.fixture
def queued(stack: Embedded) -> Any:
    """Everything on the queues that nobody reads, by channel; and a broker's address for who is to send there."""
    url = re.sub(r"/\d+$", WITHOUT_WORKER, stack.environ["REDIS_URL"])
    with Redis.from_url(url) as client:
        client.flushdb()

        def read() -> list[tuple[str, dict[str, Any]]]:
            channels = [(name, channel["address"]) for name, channel in DOCUMENT["channels"].items()]
            return [(name, json.loads(item)) for name, queue in channels for item in client.lrange(queue, 0, -1)]

        read.url = url  # type: ignore[attr-defined]
        yield read


def check(channel: str, item: dict[str, Any]) -> None:
    """A list item follows the document: as an item, by its headers, and by its payload."""
    name = item["headers"]["task"]
    assert f"#/components/messages/{name}" == DOCUMENT["channels"][channel]["messages"][name]["$ref"]
    assert mistakes("components/schemas/ListItem", item) == []
    assert mistakes(f"components/messages/{name}/headers", item["headers"]) == []
    assert mistakes(f"components/messages/{name}/payload", json.loads(base64.b64decode(item["body"]))) == []


def test_the_document_follows_the_official_schema(asyncapi_schema: dict[str, Any]) -> None:
    assert [error.message for error in Draft7Validator(asyncapi_schema).iter_errors(DOCUMENT)] == []
    broken = {**DOCUMENT, "operations": {"x": {"action": "recieve", "channel": {"$ref": "#/channels/registry"}}}}
    assert not Draft7Validator(asyncapi_schema).is_valid(broken)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    for target in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        place: Any = DOCUMENT
        for step in target.split("/"):
            place = place[step]


@pytest.mark.parametrize("sender", SENDERS)
def test_what_python_sends_follows_the_document(stack: Embedded, queued: Any, sender: str) -> None:
    program, messages = SENDERS[sender]
    stack.run("-c", program, REDIS_URL=queued.url)
    found = queued()
    assert len(found) == messages
    for channel, item in found:
        check(channel, item)


def test_what_node_sends_follows_the_document(node: Callable[..., str], queued: Any) -> None:
    node("sends.mjs", REDIS_URL=queued.url)
    found = queued()
    assert {item["headers"]["task"] for _, item in found} == {
        "memory_graph.registry.track_usage",
        "memory_graph.vault.health_check",
    }
    for channel, item in found:
        check(channel, item)


def test_answers_failures_and_dead_letters_follow_the_document(found: dict[str, Any], broker: Any) -> None:
    answer, failure = (
        json.loads(broker.get(f"celery-task-meta-{found[kind]['id']}")) for kind in ("unicode", "a typo")
    )
    assert mistakes("components/messages/memory_graph.registry.register_session.answer/payload", answer) == []
    assert mistakes("components/messages/failure/payload", failure) == []
    assert mistakes("components/messages/failure/payload", answer) != []
    letters = broker.hvals(DOCUMENT["channels"]["dead_letters"]["address"])
    assert letters
    for letter in letters:
        assert mistakes("components/messages/dead_letter/payload", json.loads(letter)) == []
