"""Ids of dead letters as people type them: a unique beginning is enough."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice

from ...delivery import DeadLetters
from ..terminal.failure import Failure
from ..terminal.plain import plain

_SHORTEST = 8  # characters that are shown of an id, even if fewer would be unique
_NOT_WORTH_A_CUT = 4
_MOST_NAMED = 5


def begins(letter_id: str, given: str) -> bool:
    """Whether an id, as it is or as a table shows it, begins with what was typed."""
    return bool(given) and (letter_id.startswith(given) or ("\\" in given and plain(letter_id).startswith(given)))


def whole_id(letters: DeadLetters, given: str, how_to_list: str) -> str:
    """The id that is, or alone begins with, what was typed. All ids are read only if it is a beginning.

    Raises: Failure if there is none, or more than one.
    """
    if letters.has(given):
        return given
    found = [letter_id for letter_id in letters.ids() if begins(letter_id, given)]
    if not found:
        raise Failure(f"There is no dead letter {plain(given)}. To list them: {how_to_list}")
    if len(found) > 1:
        named = ", ".join(map(plain, islice(found, _MOST_NAMED))) + (", …" if len(found) > _MOST_NAMED else "")
        raise Failure(f"{len(found)} dead letters begin with {plain(given)}: {named}. Type more of the id.")
    return found[0]


def shortened(shown: Iterable[str], ids: Sequence[str]) -> list[str]:
    """Of each id to show, the shortest beginning that no other of all `ids` has, and at least 8 characters."""
    shown = list(shown)
    heads = {letter_id[:_SHORTEST] for letter_id in shown}
    ordered = sorted({*shown, *(letter_id for letter_id in ids if letter_id[:_SHORTEST] in heads)})
    places = [(letter_id, bisect_left(ordered, letter_id)) for letter_id in shown]
    return [_shortened(letter_id, ordered[max(at - 1, 0) : at + 2]) for letter_id, at in places]


def _shortened(letter_id: str, neighbours: list[str]) -> str:
    shared = max((_shared(letter_id, other) for other in neighbours if other != letter_id), default=0)
    cut = max(shared + 1, _SHORTEST)
    return letter_id if len(letter_id) <= cut + _NOT_WORTH_A_CUT else letter_id[:cut]


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
