"""How dead letters are replayed: our own tasks with more checks than the tasks of another app."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...delivery import DeadLetter
from ...delivery.dead_letters import replay as generic
from ..target import Target


@dataclass(frozen=True)
class Replay:
    """Sends a letter's task again, as it was or with corrected parameters; returns the task's id."""

    as_it_was: Callable[[DeadLetter], str]
    corrected: Callable[[DeadLetter, dict[str, Any]], str]


def replay_of(target: Target, *, even_if_done: bool, **how: bool) -> Replay:
    """How letters of this app are replayed."""
    letters = target.delivery.dead_letters
    if target.is_ours:
        from ...tasks import replay as ours

        send = partial(ours.replay, letters, even_if_done=even_if_done, **how)
        return Replay(send, partial(ours.replay_corrected, letters, **how))
    send = partial(generic.replay, target.app, letters, **how)
    return Replay(send, partial(generic.replay_corrected, target.app, letters, **how))
