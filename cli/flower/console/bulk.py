"""Replaying or purging dead letters, however many: they are selected and shown first, and done when somebody confirms.

What is done is done to exactly what was shown: each letter in its place, and none whose task has failed again since.
The work goes on in a thread, letter by letter, and can be stopped. It ends with Flower: the letters that it has
not reached are still there, and one that it was just sending may be sent twice, under the same id.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ....delivery import DeadLetters
from ....delivery.dead_letters.chords import part_of
from ....delivery.dead_letters.replay import NotReplayable
from ....delivery.dead_letters.store import Entry
from ...dead.letters import LEAVES_IT, purged, read_entry
from ...dead.replaying import Replay, replay_of
from ...target import Target
from ...threads import Busy, Shared
from .reading import why_it_broke_off

MOST_LEFT = 100  # of the letters that are left, those whose reasons are kept
_MOST_KEPT = 4  # selections in memory: one of 100,000 letters takes about 20 MB
_CHORD = (
    "It is a part of a chord, and Flower does not know the results of the other parts. Replay it with mgw dead replay."
)


class Action(StrEnum):
    """What is done with letters."""

    REPLAY = "replay"
    PURGE = "purge"


class State(StrEnum):
    """How far a bulk is."""

    SELECTING = "selecting"
    READY = "ready"
    WORKING = "working"
    ENDED = "ended"


class Chosen(NamedTuple):
    """Letters with the same task, reason and error."""

    title: str
    entries: Sequence[Entry]


Choose = Callable[[DeadLetters], list[Chosen]]


@dataclass(frozen=True)
class Wish:
    """What somebody wants done with which letters; `words` say which. A purge of all also forgets what gave way."""

    action: Action
    words: str
    choose: Choose
    is_all: bool = False


class Bulk:
    """One action on letters; whoever looks at it may do so from another thread."""

    def __init__(self, target: Target, wish: Wish) -> None:
        self.token = secrets.token_urlsafe(16)
        self.wish, self._target = wish, target
        self.state, self.problem = State.SELECTING, ""
        self.groups: list[tuple[str, int]] = []
        self.count = self.done = self.left = 0
        self.reasons: dict[str, str] = {}
        self._entries: list[Entry] = []
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self.selecting = Shared(self._select).start()

    def begin(self, then: Callable[[str], None]) -> bool:
        """Work on what was selected, once; `then` is told that it starts, and how it ended.

        False if it has begun before, or is not selected yet.
        """
        with self._lock:
            if self.state is not State.READY:
                return False
            self.state = State.WORKING
        Shared(lambda: self._work(then)).start()
        return True

    def stop(self) -> None:
        """End it before the next letter."""
        self._stopped.set()

    def _select(self) -> None:
        try:
            chosen = self.wish.choose(self._target.delivery.dead_letters)
        except Exception as error:  # noqa: BLE001  the page says what went wrong
            self._end(why_it_broke_off(error))
            return
        self.groups = [(one.title, len(one.entries)) for one in chosen]
        self._entries = [entry for one in chosen for entry in one.entries]
        self.count, self.state = len(self._entries), State.READY

    def _work(self, then: Callable[[str], None]) -> None:
        problem = ""
        then("started")
        try:
            self._do_all()
        except Exception as error:  # noqa: BLE001  the page says what went wrong
            problem = why_it_broke_off(error)
        if not problem and self._stopped.is_set() and self.done + self.left < self.count:
            problem = "Somebody stopped it."
        self._end(problem)
        then(f"{self.done} done, {self.left} left of {self.count}. {problem}".strip())

    def _do_all(self) -> None:
        letters, do = self._target.delivery.dead_letters, self._doing()
        for entry in self._entries:
            if self._stopped.is_set():
                return
            try:
                do(entry)
                self.done += 1
            except LEAVES_IT as error:
                self.left += 1
                if len(self.reasons) < MOST_LEFT:
                    self.reasons[entry.id] = str(error)
        if self.wish.is_all and self.wish.action is Action.PURGE:
            letters.forget_gave_way()

    def _doing(self) -> Callable[[Entry], object]:
        letters = self._target.delivery.dead_letters
        if self.wish.action is Action.PURGE:
            return lambda entry: purged(letters, entry)
        how = replay_of(self._target, even_if_done=False, even_if_expired=False, alone=False)
        return lambda entry: _replayed(letters, how, entry)

    def _end(self, problem: str) -> None:
        self.problem, self._entries, self.state = problem, [], State.ENDED


class Bulks:
    """The bulks that are known, at most four; one of them works at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._found: dict[str, Bulk] = {}

    def add(self, wish: Wish) -> Bulk:
        """Begin to select; the oldest one that does not work makes room.

        Raises: Busy if all of them work or select.
        """
        while len(self._found) >= _MOST_KEPT:
            idle = (token for token, one in self._found.items() if one.state in (State.READY, State.ENDED))
            oldest = next(idle, None)
            if oldest is None:
                raise Busy
            del self._found[oldest]
        bulk = Bulk(self._target, wish)
        self._found[bulk.token] = bulk
        return bulk

    def find(self, token: str) -> Bulk | None:
        """The bulk of this address, if it is still known."""
        return self._found.get(token)

    def begin(self, bulk: Bulk, then: Callable[[str], None]) -> bool:
        """Let it work; False if it has worked already.

        Raises: Busy while another one works.
        """
        if any(one.state is State.WORKING for one in self._found.values() if one is not bulk):
            raise Busy
        return bulk.begin(then)


def _replayed(letters: DeadLetters, how: Replay, entry: Entry) -> str:
    letter = read_entry(letters, entry)
    if part_of(letter.payload) is not None:
        raise NotReplayable(_CHORD)
    return how.as_it_was(letter)
