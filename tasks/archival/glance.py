"""The newest sweep at a glance: one step of Redis, for whoever looks often."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from .keys import INDEX, PAUSED, key
from .state import Sweep

_NEWEST = files(__package__ or "").joinpath("scripts", "newest.lua").read_text()


class Newest(NamedTuple):
    """The newest sweep, its batches without a result, and how many sessions these have."""

    sweep: Sweep
    batches: int
    sessions: int


def ask_sweeps(pipe: Any) -> None:
    """Add to a pipeline what `read_sweeps` understands the replies of."""
    pipe.exists(PAUSED)
    pipe.eval(_NEWEST, 1, INDEX, key(""), key("", "batches").removeprefix(key("")))


def read_sweeps(replies: Sequence[Any]) -> tuple[bool, Newest | None]:
    """Return whether sweeps are paused, and the newest one, if there is any.

    Raises: ValueError, LookupError if its record cannot be read.
    """
    paused, found = replies
    if not found or not found[1]:
        return bool(paused), None
    sweep_id, state, batches, sessions = found
    texts = [part.decode() for part in state]
    values = dict(zip(texts[::2], texts[1::2], strict=True))
    sweep = Sweep.read(sweep_id.decode(), values)
    if sweep.broken:
        raise ValueError(sweep.broken)
    return bool(paused), Newest(sweep, batches, sessions)
