"""Files of conversations: one JSON object per line, checked completely before anything starts.

    {"conversation_id": "c-1", "model_id": "gpt-4", "model_version": "", "category": "",
     "messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}

Roles: `user` and `system` become prompts of the graph, `assistant` becomes a response to the prompt
before it, and `tool` a tool invocation of the response before it, with the content as its result. Several
turns are allowed, and so are several responses to one prompt; a response that opens the conversation gets
an empty prompt (`OPENING`). `model_version` and `category` are optional; unknown fields and blank lines
are ignored. A conversation has at most 1,000 messages and 6 MiB, so that the demo's vault accepts it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

from marshmallow import EXCLUDE, Schema, fields, validate

from ...schemas.fields import Id, Text
from ..terminal.failure import Refused

PROMPTS, RESPONSE, TOOL = ("system", "user"), "assistant", "tool"
OPENING = "opening"
_LONGEST_TEXT = 1_000_000  # characters; a gRPC message has at most 4 MiB
_MOST_MESSAGES = 1_000
_LARGEST_BYTES = 6 * 1024**2  # of all contents as JSON; the vault accepts 8 MiB, including what the graph adds
_MISTAKES_SHOWN = 10


@dataclass(frozen=True)
class Message:
    """One message and who said it."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """One conversation, from one line of the file."""

    conversation_id: str
    model_id: str
    model_version: str
    category: str
    messages: tuple[Message, ...]


class _MessageSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    role = fields.String(required=True, validate=validate.OneOf((*PROMPTS, RESPONSE, TOOL)))
    content = Text(required=True, longest=_LONGEST_TEXT)


class _ConversationSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    conversation_id = Text(required=True, shortest=1, longest=256)
    model_id = Id(required=True)
    model_version = Text(longest=256, load_default="")
    category = Text(longest=256, load_default="")
    messages = fields.List(fields.Nested(_MessageSchema), required=True, validate=validate.Length(1, _MOST_MESSAGES))


_SCHEMA = _ConversationSchema()


def shipped() -> Path:
    """The file of real conversations that comes with the package."""
    with as_file(files("memory_graph_workers.examples") / "conversations.jsonl") as path:
        return path


def read_conversations(path: Path) -> list[Conversation]:
    """Every conversation of a file.

    Raises: Refused if the file cannot be read or is empty, or with the line numbers that are wrong and why.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise Refused(f"Cannot read {path}: {error.strerror}.") from error
    read, mistakes = _read_lines(lines)
    if mistakes:
        raise Refused(_explain(path, mistakes))
    if not read:
        raise Refused(f"{path} has no conversation in it. Write one JSON object per line.")
    return read


def _read_lines(lines: list[bytes]) -> tuple[list[Conversation], list[str]]:
    read: dict[str, Conversation] = {}
    mistakes: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            conversation = _read_line(line)
            if conversation.conversation_id in read:
                raise ValueError("conversation_id: already used on an earlier line.")
            read[conversation.conversation_id] = conversation
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
    return list(read.values()), mistakes


def _read_line(line: bytes) -> Conversation:
    value = _decoded(line)
    wrong = _SCHEMA.validate(value)
    if wrong:
        raise ValueError(" ".join(_flat(wrong)))
    loaded = cast("dict[str, Any]", _SCHEMA.load(value))
    messages = tuple(Message(**message) for message in loaded.pop("messages"))
    _check_order(messages)
    _check_size(messages)
    return Conversation(**loaded, messages=messages)


def _decoded(line: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON.") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object.")  # noqa: TRY004  the caller handles one exception for the whole line
    return cast("Mapping[str, Any]", value)


def _check_order(messages: tuple[Message, ...]) -> None:
    """Refuse a tool message that does not follow a response: the graph has no place for it."""
    before = ""
    for number, message in enumerate(messages):
        if message.role == TOOL and before not in {RESPONSE, TOOL}:
            raise ValueError(f"messages.{number}: a tool message must follow an assistant message.")
        before = message.role


def _check_size(messages: tuple[Message, ...]) -> None:
    """Refuse what the vault would refuse: it counts bytes of JSON, in which a control character takes six."""
    size_bytes = sum(len(json.dumps(message.content, ensure_ascii=False).encode()) for message in messages)
    if size_bytes > _LARGEST_BYTES:
        raise ValueError(f"messages: {size_bytes:,} bytes as JSON; a conversation may have at most {_LARGEST_BYTES:,}.")


def _flat(messages: Any, path: str = "") -> Iterator[str]:
    """What is wrong, by field (`messages.0.role: …`); never with a value, which may be private."""
    if isinstance(messages, dict):
        for name, inner in cast("dict[Any, Any]", messages).items():
            yield from _flat(inner, f"{path}.{name}".removeprefix("."))
    else:
        yield f"{path}: {' '.join(map(str, messages))}"


def _explain(path: Path, mistakes: list[str]) -> str:
    shown = [f"  {mistake}" for mistake in mistakes[:_MISTAKES_SHOWN]]
    more = len(mistakes) - len(shown)
    rest = [f"  and {more} more."] if more else []
    return "\n".join([f"{path} has invalid lines; nothing was started. Correct them:", *shown, *rest])
