"""The pages on which many dead letters, or one, are replayed or purged: a preview, then the progress."""

from http import HTTPStatus
from typing import ClassVar

from tornado.web import HTTPError

from ....delivery import DeadLetters
from ....delivery.dead_letters.groups import title_of
from ...dead.selection import Selection
from ...terminal.plain import plain
from ...terminal.wording import counted
from ...threads import Busy
from .bulk import MOST_LEFT, Action, Bulk, Choose, Chosen, State, Wish
from .dead_letters import FILTERS, selection_of, words_of
from .page import Page
from .reading import LIMIT_SECS, ended
from .tables import Table, path_of

_LOOK_AGAIN_SECS = "2"
_MOST_GROUPS = 100
_BUSY = "Other letters are being replayed or purged. Wait for their end, or stop that."
_GONE = "This selection is not known any more: Flower was started again, or others were made since. Select once more."


class NewPage(Page):
    """What begins a selection."""

    tab: ClassVar[str] = "dead-letters"

    async def select(self, words: str, choose: Choose, *, is_all: bool = False) -> None:
        """Select letters for the form's action, and lead to the preview.

        Raises: HTTPError (400, or 409 if too much is under way).
        """
        action = self.one_of("action", {str(one): one for one in Action})
        try:
            bulk = self.console.bulks.add(Wish(action, words, choose, is_all=is_all))
        except Busy:
            raise HTTPError(HTTPStatus.CONFLICT, _BUSY) from None
        await ended(bulk.selecting, LIMIT_SECS)
        self.back(path_of("dead-letters", "bulk", bulk.token))


class NewBulkPage(NewPage):
    """POST selects the letters of a filter, for an action that is confirmed on the page after it."""

    async def post(self) -> None:
        """Select them.

        Raises: HTTPError (400 for a filter that is none).
        """
        try:
            selection = selection_of({name: self.given(name) for name in FILTERS})
        except ValueError as error:
            raise HTTPError(HTTPStatus.BAD_REQUEST, str(error)) from None
        await self.select(words_of(selection), _all_of(selection), is_all=selection.is_all)


class NewSinglePage(NewPage):
    """POST selects one letter, for an action that is confirmed on the page after it."""

    async def post(self, letter_id: str) -> None:
        """Select it."""
        await self.select(f"letter {letter_id}", _one(letter_id))


class BulkPage(Page):
    """GET shows what is selected, or how far it is; POST confirms or stops it."""

    tab: ClassVar[str] = "dead-letters"

    def get(self, token: str) -> None:
        """Show it, and look again in a while as long as it is under way."""
        bulk = self._found(token)
        if bulk.state in (State.SELECTING, State.WORKING):
            self.set_header("Refresh", _LOOK_AGAIN_SECS)
        groups = Table("What is selected", ["Task, reason, error", "Letters"], _rows(bulk))
        caption = f"Letters that are left: the first {MOST_LEFT}"
        left = Table(caption, ["Letter", "Why it is left"], list(bulk.reasons.items()))
        title = f"{bulk.wish.action.capitalize()} dead letters"
        self.show("bulk.html", title, bulk=bulk, groups=groups, left=left, sizes=_size(bulk))

    def post(self, token: str) -> None:
        """Confirm or stop it.

        Raises: HTTPError (404 if it is not known, 409 while another one works).
        """
        bulk = self._found(token)
        if self.one_of("action", {"confirm": True, "stop": False}):
            self._confirm(bulk)
        else:
            bulk.stop()
            self.note(f"stop {bulk.wish.action}", bulk.wish.words, "done")
        self.back(path_of("dead-letters", "bulk", token))

    def _confirm(self, bulk: Bulk) -> None:
        on = f"{_size(bulk)}: {bulk.wish.words}"
        try:
            self.console.bulks.begin(bulk, lambda outcome: self.note(bulk.wish.action, on, outcome))
        except Busy:
            raise HTTPError(HTTPStatus.CONFLICT, _BUSY) from None

    def _found(self, token: str) -> Bulk:
        bulk = self.console.bulks.find(token)
        if bulk is None:
            raise HTTPError(HTTPStatus.NOT_FOUND, _GONE)
        return bulk


def _size(bulk: Bulk) -> str:
    return counted(bulk.count, "dead letter")


def _all_of(selection: Selection) -> Choose:
    def choose(letters: DeadLetters) -> list[Chosen]:
        return [Chosen(group.title, entries) for group, entries in selection.by_group(letters)]

    return choose


def _one(letter_id: str) -> Choose:
    def choose(letters: DeadLetters) -> list[Chosen]:
        entries = [entry for entry in letters.entries() if entry.id == letter_id]
        return [Chosen(title_of(one.task, one.reason, one.error), entries) for one in letters.read(entries[:1])]

    return choose


def _rows(bulk: Bulk) -> list[tuple[str, str]]:
    rows = [(plain(title), f"{count:,}") for title, count in bulk.groups[:_MOST_GROUPS]]
    others = bulk.groups[_MOST_GROUPS:]
    if others:
        rows.append((f"{len(others):,} more groups", f"{sum(count for _, count in others):,}"))
    return rows
