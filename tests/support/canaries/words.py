"""Texts that occur nowhere else, and how to find them again, in the clear or inside base64."""

import base64
import hashlib
from collections.abc import Mapping


def word(place: str, run: str) -> str:
    """The text that is planted in this place in this run."""
    return f"canary-{place}-{hashlib.sha256(f'{run}/{place}'.encode()).hexdigest()[:12]}"


def found_in(text: str | bytes, words: Mapping[str, str]) -> set[str]:
    """The names of the words that a text holds."""
    raw = text.encode() if isinstance(text, str) else text
    return {name for name, word in words.items() if any(form in raw for form in _forms(word.encode()))}


def _forms(plain: bytes) -> list[bytes]:
    """A word, and the middle of its base64 for each of the three ways in which it may be aligned."""
    shifted = [base64.b64encode(b"\0" * shift + plain)[start:-4] for shift, start in ((0, 0), (1, 2), (2, 3))]
    return [plain, *shifted]
