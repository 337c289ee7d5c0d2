"""The AsyncAPI document is one by the official schema, and says what really is on the queues and comes back."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from memory_graph_workers.cli.schema.asyncapi import document
from redis import Redis
from support.embedded import Embedded
from support.waiting import until

ROOT = Path(__file__).parent.parent.parent
PYTHON = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "producers.md").read_text(), re.DOTALL | re.MULTILINE)
DOCUMENT = document()
REPORT = {"prompt_tokens": 1, "completion_tokens": 2}
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


class Queues:
    """The queues of a database that no worker reads."""

    def __init__(self, url: str) -> None:
        self.url = url

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything on them, each item with its channel."""
        channels = [(name, channel["address"]) for name, channel in DOCUMENT["channels"].items()]
        with Redis.from_url(self.url) as client:
            return [(name, json.loads(item)) for name, queue in channels for item in client.lrange(queue, 0, -1)]


@pytest.fixture
def queues(stack: Embedded) -> Queues:
    url = re.sub(r"/\d+$", WITHOUT_WORKER, stack.environ["REDIS_URL"])
    with Redis.from_url(url) as client:
        client.flushdb()
    return Queues(url)


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
def test_what_python_sends_follows_the_document(stack: Embedded, queues: Queues, sender: str) -> None:
    program, messages = SENDERS[sender]
    stack.program(program, REDIS_URL=queues.url)
    found = queues.items()
    assert len(found) == messages
    for channel, item in found:
        check(channel, item)


def test_what_node_sends_follows_the_document(node: Callable[..., str], queues: Queues) -> None:
    node("sends.mjs", REDIS_URL=queues.url)
    found = queues.items()
    assert {item["headers"]["task"] for _, item in found} == {
        "memory_graph.registry.track_usage",
        "memory_graph.vault.health_check",
    }
    for channel, item in found:
        check(channel, item)


def test_a_chain_by_hand_goes_on_in_its_order(broker: Any, stack: Embedded) -> None:
    """As the schema `Following` says: the tasks that follow, the last one first."""
    steps = [("get_session_usage", {"session_id": "c-1"}), ("track_usage", {**REPORT, "session_id": "c-1"})]
    chain = [
        {
            "task": f"memory_graph.registry.{name}",
            "kwargs": kwargs,
            "options": {"task_id": f"{name}-c-1"},
            "immutable": True,
        }
        for name, kwargs in steps
    ]
    first = {"registration": {"session_id": "c-1", "model_id": "gpt-4"}}
    program = BY_HAND.replace("track_usage", "register_session").replace("answer-4712", "register_session-c-1")
    program = re.sub(r"parameters = .*", f"parameters = {first!r}", program)
    stack.program(program.replace('"chain": None', f'"chain": {chain!r}'))
    until(lambda: broker.get("celery-task-meta-get_session_usage-c-1"))
    assert json.loads(broker.get("celery-task-meta-get_session_usage-c-1"))["result"]["total_tokens"] == 3


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
