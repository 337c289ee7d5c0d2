"""Walk the pages of a listing; its first page may have the number 0, 1 or none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .errors import SerializationError

T = TypeVar("T")


class Numbered(Protocol):
    """A page of a listing: its number, if the server gives one, and the total of all pages."""

    @property
    def total(self) -> int: ...
    @property
    def page(self) -> int | None: ...


L = TypeVar("L", bound=Numbered)


@dataclass(frozen=True)
class Cursor:
    """The next page (None: the first), how many items came before it, and which ids would start a repeated page."""

    page: int | None = None
    listed: int = 0
    first_id: str = ""
    previous_id: str = ""

    def after(self, ids: Sequence[str], page: Numbered) -> "Cursor | None":
        """Return the cursor after this page; None at the end.

        Raises: SerializationError if the service returned another page than the requested one.
        """
        if not ids:
            return None
        if self._is_first_again(ids, page):
            return Cursor(2, self.listed, self.first_id)
        repeats = ids[0] in (self.first_id, self.previous_id)
        if self.page is not None and (page.page not in (None, self.page) or repeats):
            raise SerializationError("the service returned another page than the requested one")
        listed = self.listed + len(ids)
        number = page.page if page.page is not None else (self.page or 0)
        return None if listed >= page.total else Cursor(number + 1, listed, self.first_id or ids[0], ids[0])

    def _is_first_again(self, ids: Sequence[str], page: Numbered) -> bool:
        """Return whether page 1 came twice: a server that counts from 1 may not say so."""
        return page.page is None and self.page == 1 and ids[0] == self.first_id


def walk(fetch: Callable[[int | None], L], items_of: Callable[[L], list[T]], id_of: Callable[[T], str]) -> Iterator[T]:
    """Yield every item of a listing, page by page, until an empty page or `total`."""
    cursor: Cursor | None = Cursor()
    while cursor is not None:
        page = fetch(cursor.page)
        items = items_of(page)
        following = cursor.after([id_of(item) for item in items], page)
        if following is None or following.listed > cursor.listed:
            yield from items
        cursor = following
