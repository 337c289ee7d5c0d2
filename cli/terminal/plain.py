"""Text from elsewhere, made fit for a terminal: ids and messages come from other systems, and may hold anything."""

import json


def plain(text: str) -> str:
    """The text with each character that does not print (controls, bidi, invisible ones) written as an escape."""
    return text if text.isprintable() else "".join(map(_written, text))


def plain_lines(text: str) -> str:
    """Like `plain`, for a message of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def plain_json(text: str) -> str:
    """JSON text that means the same, with each character that does not print written as JSON's own escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _written(char: str) -> str:
    return char if char.isprintable() else repr(char)[1:-1]
