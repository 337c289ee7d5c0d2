"""Walk the pages of a listing; its first page may have the number 0, 1 or none."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

from ..schemas.rows import ReadRows
from .errors import SerializationError
from .responses import named_fields

T = TypeVar("T")

MOST_REPEATED_PAGES = 3

logger = logging.getLogger(__name__)


class Numbered(Protocol):
    """A page of a listing: its number and size, if the server gives them, and the total of all pages."""

    @property
    def total(self) -> int: ...
    @property
    def page(self) -> int | None: ...
    @property
    def page_size(self) -> int | None: ...


L = TypeVar("L", bound=Numbered)


@dataclass(frozen=True)
class Cursor:
    """The next page (None: the first), how many rows came before it, and what shows that pages go in a circle.

    `landmark` is the digest of an earlier page's ids, the 1st, 2nd, 4th, 8th …: pages that go in a circle, however long
    and wherever it begins, come past it again. `since` counts the pages after it, `repeats` those that were it.
    """

    page: int | None = None
    listed: int = 0
    landmark: str = ""
    since: int = 0
    span: int = 1
    repeats: int = 0

    def after(self, ids: Sequence[str], page: Numbered, rows: int, asked: int | None = None) -> "Cursor | None":
        """Return the cursor after this page of so many rows, readable or not; None at the end of the listing.

        A full page is always followed by another request, whatever `total` says, unless no row of it can be read.
        `asked` is the size asked for.
        Raises: SerializationError if the service returned another page than the requested one, or three pages in which
        nothing was new.
        """
        if not rows:
            return None
        if ids and self._is_first_again(ids, page):
            return replace(self, page=2)
        if self.page is not None and page.page not in (None, self.page):
            raise SerializationError("the service returned another page than the requested one")
        following = self._past(_digest(ids or [f"page {self.page}"]), page, rows)  # no ids: no page like another
        if following.repeats >= MOST_REPEATED_PAGES:
            raise SerializationError(f"its pages go in a circle: {MOST_REPEATED_PAGES} pages listed nothing new")
        sizes = [size for size in (asked, page.page_size) if size]
        is_full = bool(ids) and rows >= min(sizes, default=1)  # pages without ids can go in a circle unseen
        return following if is_full or following.listed < page.total else None

    def _past(self, digest: str, page: Numbered, rows: int) -> "Cursor":
        number = (page.page if page.page is not None else (self.page or 0)) + 1
        if digest == self.landmark:
            return replace(self, page=number, repeats=self.repeats + 1)
        following = replace(self, page=number, listed=self.listed + rows, since=self.since + 1)
        if self.since + 1 < self.span:
            return following
        return replace(following, landmark=digest, since=0, span=2 * self.span)

    def _is_first_again(self, ids: Sequence[str], page: Numbered) -> bool:
        """Return whether page 1 came twice: a server that counts from 1 may not say so."""
        return page.page is None and self.page == 1 and self.listed > 0 and _digest(ids) == self.landmark


def rows_of(items: Sequence[Any]) -> int:
    """Return how many rows a listing had, with those that could not be read."""
    return len(items) + len(items.unreadable if isinstance(items, ReadRows) else ())


def say_short_total(cursor: Cursor, listed: int, total: int) -> None:
    """Log once that a listing has more rows than its total, given the cursor of a page and the rows listed after it."""
    if cursor.listed <= total < listed:
        logger.warning("The listing has more rows than its total of %s; the total is wrong, and is ignored", total)


def say_unreadable(name: str, items: Sequence[Any]) -> None:
    """Log which rows of a listing were skipped: index and field, never a value."""
    if isinstance(items, ReadRows) and items.unreadable:
        named = named_fields({name: items.unreadable})
        logger.warning("Skipped %s rows of a listing that break the contract; see %s", len(items.unreadable), named)


def walk(
    fetch: Callable[[int | None], L],
    items_of: Callable[[L], list[T]],
    id_of: Callable[[T], str],
    asked: int | None = None,
) -> Iterator[T]:
    """Yield every item of a listing, page by page, until an empty page, or `total` and a page that is not full."""
    cursor: Cursor | None = Cursor()
    while cursor is not None:
        page = fetch(cursor.page)
        items = items_of(page)
        rows = rows_of(items)
        say_short_total(cursor, cursor.listed + rows, page.total)
        following = cursor.after([id_of(item) for item in items], page, rows, asked)
        if following is None or following.listed > cursor.listed:
            yield from items
        cursor = following


def _digest(ids: Sequence[str]) -> str:
    return blake2b("\0".join(sorted(ids)).encode(), digest_size=8).hexdigest()
