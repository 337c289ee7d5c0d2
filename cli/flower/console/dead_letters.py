"""The pages about dead letters: groups and the newest ones, one letter, and its payload where that is allowed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from glob import escape
from http import HTTPStatus
from json import dumps
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from tornado.web import HTTPError

from ....delivery import DeadLetter, LetterGroup, Reason
from ....delivery.dead_letters.chords import part_of
from ....delivery.dead_letters.groups import title_of
from ....delivery.messages.call_options import kept_options
from ....schemas.fields import parse_timestamp
from ...dead.letters import facts
from ...dead.selection import Selection, age_of
from ...terminal.plain import plain, plain_json
from ...terminal.wording import ago
from .page import Page
from .reading import Reading
from .tables import Link, Table, path_of

_MOST_GROUPS, _MOST_LETTERS = 100, 25
_PAYLOAD_CHARACTERS = 64 * 1024  # that a page shows; `mgw dead show --payload` shows all
_FORBIDDEN = "Payloads are not shown here. They may be conversations: FLOWER_SHOW_PAYLOADS=true allows it."
FILTERS = ("task", "reason", "error", "older_than", "newer_than")


@dataclass(frozen=True)
class Listed:
    """What a filter finds: the largest groups, and the newest letters."""

    count: int
    warning: str | None
    groups: list[LetterGroup]
    letters: list[DeadLetter]


def selection_of(given: Mapping[str, str]) -> Selection:
    """The letters that a form chooses; every letter, if it says nothing.

    Raises: ValueError for an age or a reason that is none.
    """
    values: dict[str, Any] = {name: given[name].strip() for name in FILTERS if given.get(name, "").strip()}
    for name in {"older_than", "newer_than"} & values.keys():
        values[name] = age_of(values[name])
    if values.get("reason", Reason.FAILED) not in set(Reason):
        raise ValueError(f"There is no reason {values['reason']!r}. Reasons: {', '.join(Reason)}.")
    return Selection(**values) if values else Selection(everything=True)


class DeadLettersPage(Page):
    """GET shows the letters that a filter finds, and offers to replay or purge them."""

    tab: ClassVar[str] = "dead-letters"

    async def get(self) -> None:
        """Show groups and letters."""
        given = {name: self.asked(name) for name in FILTERS}
        try:
            selection = selection_of(given)
        except ValueError as error:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self._show(given, None, str(error))
        else:
            self._show(given, await self.read(f"dead letters {selection}", lambda: self._listed(selection)))

    def _show(self, given: Mapping[str, str], reading: Reading[Listed] | None, wrong: str = "") -> None:
        found = reading.value if reading else None
        tables = _tables(found) if found else []
        names = {"given": given, "reasons": list(Reason), "wrong": wrong, "found": found, "tables": tables}
        self.show("dead_letters.html", "Dead letters", reading, **names)

    def _listed(self, selection: Selection) -> Listed:
        letters = self.console.target.delivery.dead_letters
        groups = selection.groups(letters)[:_MOST_GROUPS]
        read = letters.read(selection.entries(letters, _MOST_LETTERS))
        newest = [replace(letter, payload=None) for letter in read]  # payloads are large, and stay in nobody's memory
        return Listed(letters.count(), letters.warning(), groups, newest)


class LetterPage(Page):
    """GET shows one letter without its payload."""

    tab: ClassVar[str] = "dead-letters"

    async def get(self, letter_id: str) -> None:
        """Show it.

        Raises: HTTPError (404) if there is none.
        """
        letters = self.console.target.delivery.dead_letters
        reading = await self.read(f"letter {letter_id}", lambda: _told(letters.get(letter_id)))
        if reading.value is None and not reading.problem:
            raise _gone(letter_id)
        values = _shown(letter_id, reading.value or {})
        self.show("letter.html", "Dead letter", reading, payload=None, is_cut=False, **values)


class PayloadPage(Page):
    """POST shows a letter with its payload, if that is allowed; the log says who asked for it."""

    tab: ClassVar[str] = "dead-letters"

    async def post(self, letter_id: str) -> None:
        """Show it.

        Raises: HTTPError (403 where it is not allowed, 404 if there is no such letter).
        """
        if not self.console.config.show_payloads:
            self.note("show payload", letter_id, "refused")
            raise HTTPError(HTTPStatus.FORBIDDEN, _FORBIDDEN)
        letters = self.console.target.delivery.dead_letters
        told, text = await self.act("show payload", letter_id, lambda: _with_payload(letters.get(letter_id)))
        if told is None:
            raise _gone(letter_id)
        payload, is_cut = text[:_PAYLOAD_CHARACTERS], len(text) > _PAYLOAD_CHARACTERS
        self.show("letter.html", "Dead letter", payload=payload, is_cut=is_cut, **_shown(letter_id, told))


def _gone(letter_id: str) -> HTTPError:
    return HTTPError(HTTPStatus.NOT_FOUND, f"There is no dead letter {plain(letter_id)}: it was replayed or purged.")


def _with_payload(letter: DeadLetter | None) -> tuple[dict[str, Any] | None, str]:
    """What is told of a letter, and the beginning of its payload as JSON, one character longer than a page shows."""
    if letter is None:
        return None, ""
    text = dumps(letter.payload, ensure_ascii=False, indent=2, default=str)[: _PAYLOAD_CHARACTERS + 1]
    return _told(letter), "\n".join(map(plain_json, text.split("\n")))


def _shown(letter_id: str, told: Mapping[str, Any]) -> dict[str, Any]:
    table = Table("What is known of it", ["", ""], [pair for pair in told.items() if pair[1] is not None])
    return {"table": table, "address": quote(letter_id, safe="")}


def _told(letter: DeadLetter | None) -> dict[str, Any] | None:
    """What is told of a letter. Whether a chord's body can still run is not: that is in the store of results."""
    if letter is None:
        return None
    options = kept_options(letter.payload)
    when = {name: options[name] for name in ("eta", "expires") if name in options}
    chord = {"chord": "a part of one: replay it with mgw dead replay"} if part_of(letter.payload) else {}
    return {**facts(letter), **when, **chord}


def _tables(found: Listed) -> list[Table]:
    return [
        Table(
            "Groups: the same task, reason and error",
            ["Task, reason, error", "Letters", "First", "Last", "Letter", "Dropped at a bound"],
            [_group(one) for one in found.groups],
        ),
        Table(
            f"The newest letters, at most {_MOST_LETTERS}",
            ["Letter", "Failed", "Task, reason, error", "Message"],
            [_letter(one) for one in found.letters],
        ),
    ]


def _group(one: LetterGroup) -> list[Any]:
    newest = Link("the newest", _path(one.sample)) if one.sample else None
    dropped = f"{one.gave_way:,}" if one.gave_way else None
    return [Link(one.title, _filter(one)), f"{one.count:,}", _age(one.first), _age(one.last), newest, dropped]


def _filter(one: LetterGroup) -> str:
    """The page that shows a group alone."""
    names = {"task": one.task, "reason": str(one.reason), "error": one.error}
    return f"/dead-letters?{urlencode({name: escape(value) for name, value in names.items() if value})}"


def _letter(one: DeadLetter) -> list[Any]:
    title = title_of(one.task, one.reason, one.error)
    failed = ago(parse_timestamp(one.failed_at)) if one.failed_at else None
    return [Link(one.id, _path(one.id)), failed, title, one.message or None]


def _path(letter_id: str) -> str:
    return path_of("dead-letters", "letter", letter_id)


def _age(moment: datetime | None) -> str | None:
    return ago(moment) if moment else None


def words_of(selection: Selection) -> str:
    """Which letters a selection means, in a few words for a person and the log."""
    given = {name: value for name, value in asdict(selection).items() if name in FILTERS and value is not None}
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "all letters"
