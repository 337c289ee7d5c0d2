"""A page of the console: who sees it, what it may do, and how it answers."""

import base64
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from flower.views import BaseHandler  # pyright: ignore[reportMissingTypeStubs]
from tornado.web import HTTPError, RequestHandler

from ...terminal.plain import plain
from ...terminal.wording import ago
from .console import Console
from .reading import NoAnswer, Reading

T = TypeVar("T")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READ_ONLY = "This Flower only shows (FLOWER_READ_ONLY=true): it changes nothing."
_LONGEST = 200  # characters of what a person writes

logger = logging.getLogger(__name__)


class Page(BaseHandler):
    """A page whose texts come from anywhere and are shown as text, and whose actions need a token and are logged."""

    tab: ClassVar[str] = ""
    said: ClassVar[Mapping[str, str]] = {}  # what a page says after an action, by a word in its address

    def initialize(self, console: Console) -> None:
        """Tornado hands over what all pages share."""
        self.console = console

    def set_default_headers(self) -> None:
        """Let the page be in no frame, run no script but Flower's files, and be kept nowhere."""
        super().set_default_headers()
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """Refuse what another site has sent, and what has no token: Flower itself asks for none beside a password.

        Raises: HTTPError (403).
        """
        super().check_xsrf_cookie()
        RequestHandler.check_xsrf_cookie(self)

    def prepare(self) -> None:
        """Refuse every action where Flower only shows, and bytes that are no text.

        Raises: HTTPError (403, 400).
        """
        if self.request.method == "POST" and not self.may_act:
            raise HTTPError(HTTPStatus.FORBIDDEN, _READ_ONLY)
        for name, values in self.request.arguments.items():
            for value in values:
                self.decode_argument(value, name)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """The text of an argument, or of a part of the path.

        Raises: HTTPError (400) if the bytes are no UTF-8.
        """
        try:
            return value.decode()
        except UnicodeDecodeError:
            what = f"What was sent as {name[:_LONGEST]}" if name else "The address of this page"
            text = f"{what} is no UTF-8 text. Go back to the page before, and type it or follow the link again."
            raise HTTPError(HTTPStatus.BAD_REQUEST, text) from None

    @property
    def may_act(self) -> bool:
        """Whether this page may change anything."""
        return not self.console.config.read_only

    @property
    def user(self) -> str:
        """Who has logged in; the password was right, or the request would not be here."""
        login = base64.b64decode(self.request.headers["Authorization"].partition(" ")[2])
        return login.decode().partition(":")[0]

    def given(self, name: str) -> str:
        """What a form says, without spaces around it; empty if it does not.

        Raises: HTTPError (400) if it is too long.
        """
        return _short(name, self.get_body_argument(name, ""))

    def asked(self, name: str) -> str:
        """What the address says, in the same way.

        Raises: HTTPError (400) if it is too long.
        """
        return _short(name, self.get_query_argument(name, ""))

    def one_of(self, name: str, known: Mapping[str, T]) -> T:
        """What a form chooses.

        Raises: HTTPError (400) if it is none of what is known.
        """
        text = self.given(name)
        if text not in known:
            raise HTTPError(HTTPStatus.BAD_REQUEST, f"{name}: {plain(text)} is not one of {', '.join(known)}.")
        return known[text]

    async def read(self, name: str, function: Callable[[], T]) -> Reading[T]:
        """What is in Redis, or was when it answered last."""
        reading = await self.console.reader.read(name, function)
        if reading.problem:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
        return reading

    async def act(self, action: str, on: str, work: Callable[[], T], reason: str = "") -> T:
        """Do what a person wants, and write a line about it in the log, whatever comes of it.

        Raises: HTTPError (503) if Redis does not answer; what the work raises.
        """
        outcome = "failed"
        try:
            done = await self.console.reader.call(work)
            outcome = "done"
            return done
        except NoAnswer as error:
            outcome = "no answer"
            raise HTTPError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{error} It may still be done: look at the page before you repeat it."
            ) from error
        finally:
            self.note(action, on, outcome, reason)

    def note(self, action: str, on: str, outcome: str, reason: str = "") -> None:
        """Write the line about an action in the log."""
        facts = {"user": self.user, "action": action, "on": plain(on), "outcome": outcome, "reason": plain(reason)}
        logger.info("%s: %s %s: %s", self.user, action, facts["on"], outcome, extra=facts)

    def back(self, path: str, said: str = "") -> None:
        """After an action: let the browser get a page again, so that a reload repeats nothing."""
        self.redirect(f"{path}?said={said}" if said else path, status=HTTPStatus.SEE_OTHER)

    def show(self, template: str, title: str, reading: "Reading[Any] | None" = None, **values: Any) -> None:
        """Render a page; what is stale of it is said to be, with its time."""
        words = self.request.query_arguments.get("said", [b""])  # read here, as a page that says what is wrong has them
        said = self.said.get(words[-1].decode(errors="replace"), "")
        self.render(template, title=title, reading=reading, said=said, **values)

    def get_template_namespace(self) -> dict[str, Any]:
        """What every template may use."""
        names = {"plain": plain, "ago": ago, "tab": self.tab, "may_act": self.may_act, "console": self.console}
        return {**super().get_template_namespace(), **names}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong in the console's own page."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = error.get_message() if isinstance(error, HTTPError) else "Unexpected. The log of mgw flower says more."
        self.show("problem.html", HTTPStatus(status_code).phrase, text=text or "There is no such page.")


def _short(name: str, text: str) -> str:
    if len(text.strip()) > _LONGEST:
        raise HTTPError(HTTPStatus.BAD_REQUEST, f"{name} is longer than {_LONGEST} characters. Write less.")
    return text.strip()
