"""Files of conversations: one JSON object a line, checked as a whole before anything starts.

    {"conversation_id": "c-1", "model_id": "gpt-4", "model_version": "", "category": "",
     "messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}

Roles: `user` and `system` become prompts of the graph, `assistant` a response to the prompt before it,
`tool` a tool invocation of the response before it, with the content as its result. Several turns are
fine, and so are several responses to a prompt; a response that opens the conversation gets an empty
prompt of its own (`OPENING`). `model_version` and `category` may be left out; fields
that are not named here are ignored; blank lines too. A conversation has at most 1,000 messages and
6 MiB, so that the demo's vault takes it.
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
_LONGEST_TEXT = 1_000_000  # characters; a gRPC message takes 4 MiB
_MOST_MESSAGES = 1_000
_LARGEST_BYTES = 6 * 1024**2  # of all that was said, as JSON; the vault takes 8 MiB with what the graph adds
_MISTAKES_SHOWN = 10


@dataclass(frozen=True)
class Message:
    """What one side said."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """One line of the file."""

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
    """Read a whole file.

    Raises: Refused naming the lines that are wrong and why, or that there is none.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    read, mistakes = _read_lines(lines)
    if mistakes:
        raise Refused(_explain(path, mistakes))
    if not read:
        raise Refused(f"{path} has no conversation in it. One JSON object a line is expected.")
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
                raise ValueError("conversation_id: an earlier line has the same.")
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
        raise ValueError("not a JSON object.")  # noqa: TRY004  one kind of mistake for the whole line
    return cast("Mapping[str, Any]", value)


def _check_order(messages: tuple[Message, ...]) -> None:
    """Refuse what has no place in the graph, where a tool serves a response."""
    before = ""
    for number, message in enumerate(messages):
        if message.role == TOOL and before not in {RESPONSE, TOOL}:
            raise ValueError(f"messages.{number}: a tool message needs an assistant message right before it.")
        before = message.role


def _check_size(messages: tuple[Message, ...]) -> None:
    """Refuse what the vault would: it counts an archive's bytes as JSON, where a control character is six."""
    size_bytes = sum(len(json.dumps(message.content, ensure_ascii=False).encode()) for message in messages)
    if size_bytes > _LARGEST_BYTES:
        raise ValueError(f"messages: {size_bytes:,} bytes as JSON; at most {_LARGEST_BYTES:,} in one conversation.")


def _flat(messages: Any, path: str = "") -> Iterator[str]:
    """Field names with what is wrong with each, as `messages.0.role: …`; never a value."""
    if isinstance(messages, dict):
        for name, inner in cast("dict[Any, Any]", messages).items():
            yield from _flat(inner, f"{path}.{name}".removeprefix("."))
    else:
        yield f"{path}: {' '.join(map(str, messages))}"


def _explain(path: Path, mistakes: list[str]) -> str:
    shown = [f"  {mistake}" for mistake in mistakes[:_MISTAKES_SHOWN]]
    more = len(mistakes) - len(shown)
    rest = [f"  and {more} more lines."] if more else []
    return "\n".join([f"{path} is refused; nothing was started:", *shown, *rest])
