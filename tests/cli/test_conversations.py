"""A file of conversations is read as a whole, or refused with the numbers of its lines."""

import json
import re

import pytest
from memory_graph_workers.cli.demo.conversations import Message, read_conversations, shipped
from memory_graph_workers.cli.terminal.failure import Refused


def line(conversation_id="c-1", messages=(("user", "Hi"), ("assistant", "Hello")), **fields):
    said = [{"role": role, "content": content} for role, content in messages]
    return {"conversation_id": conversation_id, "model_id": "m:1", "messages": said, **fields}


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "conversations.jsonl"
        texts = [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in lines]
        path.write_bytes("\n".join(texts).encode())
        return path

    return write


def test_the_shipped_file_has_four_hundred_conversations_of_five_models():
    read = read_conversations(shipped())
    assert (len(read), len({conversation.model_id for conversation in read})) == (400, 5)


def test_messages_keep_their_order_and_every_character(write):
    said = [
        ("system", "Sei höflich."),
        ("user", "שלום 👋🏽\u2028\r\n\t"),
        ("assistant", ""),
        ("tool", "{}"),
        ("user", "؟"),
    ]
    [read] = read_conversations(write(line(messages=said)))
    assert read.messages == tuple(Message(*message) for message in said)


@pytest.mark.parametrize("name", ["a/b:c?d#e", "עברית", "👩‍👩‍👧", " ", "x" * 256])
def test_ids_may_be_any_unicode(write, name):
    [read] = read_conversations(write(line(name, model_id=name)))
    assert (read.conversation_id, read.model_id) == (name, name)


def test_blank_lines_a_byte_order_mark_and_other_fields_are_fine(write):
    path = write("", json.dumps(line(language="en")) + "\r", "  ")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_conversations(path)) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ({}, "conversation_id: Missing"),
        (line(model_id=".."), "model_id: Not an id"),
        (line(model_id="x" * 257), "model_id: Must have 1 to 256"),
        (line(messages=[]), "messages: Length must be"),
        (line(messages=[("robot", "Hi")]), "messages.0.role: Must be one of"),
        (line(messages=[("user", None)]), "messages.0.content: Field may not be null"),
        (line(messages=[("user", ["parts"])]), "messages.0.content: Not a valid string"),
        (line(messages=[("user", "Hi"), ("tool", "42")]), "messages.1: a tool message must follow"),
        (json.dumps(line(messages=[("user", "\ud800")])), "messages.0.content: Not text"),
        (line(messages=[("user", "x")] * 1001), "messages: Length must be between 1 and 1000"),
        (line(messages=[("user", "\x01" * 600_000)] * 2), "messages: 7,200,004 bytes as JSON; a conversation may have"),
        (line("good"), "conversation_id: already used on an earlier line"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(write, bad, reason):
    with pytest.raises(Refused, match=f"line 3: .*{re.escape(reason)}"):
        read_conversations(write(line("good"), "", bad))


def test_a_line_that_is_no_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b"{}\n\xff\n")
    with pytest.raises(Refused, match="line 2: not UTF-8"):
        read_conversations(path)


def test_what_was_said_is_not_in_the_message(write):
    with pytest.raises(Refused) as caught:
        read_conversations(write(line("secret-id", messages=[("secret-role", "secret-text")])))
    assert "secret" not in str(caught.value)


def test_the_first_ten_bad_lines_are_named_and_the_others_counted(write):
    with pytest.raises(Refused, match=r"line 10: not JSON\.\n  and 2 more\."):
        read_conversations(write(*["x"] * 12))


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(write, content):
    with pytest.raises(Refused, match="no conversation in it"):
        read_conversations(write(content))
