"""The demo's producer, a separate process that fills the graph and enqueues tasks as an application does.

`python -m memory_graph_workers.cli.demo.producer aged|recent CONVERSATIONS LEDGER`, with the stack's addresses
in the environment. Tokens are counted as words separated by white space: a response's prompt tokens are
the words since the previous response, its completion tokens are its own words.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from celery import chain

from ...clients.config import MemoryGraphConfig
from ...clients.memory_graph import MemoryGraphClient
from ...schemas import memory_graph_pb2 as pb
from ...schemas.fields import now
from ...schemas.registry import SessionRegistration, SessionStatus, UsageReport
from ...tasks.registry import register_session, track_usage, update_session_status
from .conversations import OPENING, RESPONSE, TOOL, Conversation, Message, read_conversations
from .ledger import AGED_BY, Entry, Kind, kind_of

STARTED_BEFORE = AGED_BY + timedelta(hours=1)  # how long ago an aged session began
STAGES = {"aged": True, "recent": False}


@dataclass(frozen=True)
class Usage:
    """The tokens of one response."""

    prompt_tokens: int
    completion_tokens: int


def main() -> None:
    """Produce one stage: the aged sessions, or the fresh and open ones."""
    parser = argparse.ArgumentParser(prog="memory_graph_workers.cli.demo.producer")
    parser.add_argument("stage", choices=sorted(STAGES))
    parser.add_argument("conversations", type=Path)
    parser.add_argument("ledger", type=Path)
    chosen = parser.parse_args()
    with closing(MemoryGraphClient(MemoryGraphConfig.from_env())) as graph, chosen.ledger.open("a") as ledger:
        for index, conversation in enumerate(read_conversations(chosen.conversations)):
            if kind_of(index).is_due is STAGES[chosen.stage]:
                ledger.write(produce(graph, index, conversation).as_line())
                ledger.flush()


def produce(graph: MemoryGraphClient, index: int, conversation: Conversation) -> Entry:
    """Put one conversation into the graph, and enqueue the tasks that record it in the Registry, in order."""
    kind = kind_of(index)
    session = graph.create_session({"conversation_id": conversation.conversation_id, "category": conversation.category})
    usages = list(fill(graph, session.id, conversation))
    started_at = now() - STARTED_BEFORE if kind.is_due else now()
    chain(*steps(session.id, conversation, usages, started_at, kind)).apply_async()
    prompt_tokens = sum(usage.prompt_tokens for usage in usages)
    return Entry(index, session.id, kind, len(usages), prompt_tokens, sum(usage.completion_tokens for usage in usages))


def steps(
    session_id: str, conversation: Conversation, usages: list[Usage], started_at: datetime, kind: Kind
) -> Iterator[Any]:
    """The tasks of one session: register it, track the usage of each response, and set its final status."""
    model_id, metadata = conversation.model_id, {"conversation_id": conversation.conversation_id}
    yield register_session.si(
        SessionRegistration(session_id, model_id, conversation.model_version, started_at, metadata)
    )
    for usage in usages:
        yield track_usage.si(
            UsageReport(session_id, usage.prompt_tokens, usage.completion_tokens, model_id, timestamp=started_at)
        )
    if kind.status is not SessionStatus.ACTIVE:
        yield update_session_status.si(session_id, kind.status)


def fill(graph: MemoryGraphClient, session_id: str, conversation: Conversation) -> Iterator[Usage]:
    """Add every message to the graph and yield the usage of each response."""
    prompt_id = response_id = ""
    unanswered_words = 0
    for message in conversation.messages:
        words = len(message.content.split())
        if message.role == RESPONSE:
            prompt_id = prompt_id or _add_prompt(graph, session_id, conversation, Message(OPENING, ""))
            usage = Usage(unanswered_words, words)
            response_id = _add_response(graph, prompt_id, conversation, message, usage)
            yield usage
        elif message.role == TOOL:
            _add_tool(graph, response_id, message)
        else:
            prompt_id = _add_prompt(graph, session_id, conversation, message)
        unanswered_words = 0 if message.role == RESPONSE else unanswered_words + words


def _add_prompt(graph: MemoryGraphClient, session_id: str, conversation: Conversation, message: Message) -> str:
    metadata = pb.PromptMetadata(model=conversation.model_id, custom={"role": message.role})
    return graph.add_prompt(session_id, message.content, metadata).id


def _add_response(
    graph: MemoryGraphClient, prompt_id: str, conversation: Conversation, message: Message, usage: Usage
) -> str:
    tokens = pb.TokenUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
    metadata = pb.ResponseMetadata(model=conversation.model_id, finish_reason="stop")
    return graph.add_response(prompt_id, message.content, tokens, metadata).id


def _add_tool(graph: MemoryGraphClient, response_id: str, message: Message) -> None:
    graph.add_tool_invocation(
        pb.ToolInvocationNode(
            response_id=response_id, tool_name="tool", parameters="{}", status="success", result=message.content
        )
    )


if __name__ == "__main__":
    main()
