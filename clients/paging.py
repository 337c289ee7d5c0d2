"""Walking the pages of a listing whose first page may be 0 or 1, or have no number at all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .errors import SerializationError

T = TypeVar("T")


class Numbered(Protocol):
    """What a page of a listing says of itself."""

    @property
    def total(self) -> int: ...
    @property
    def page(self) -> int | None: ...


L = TypeVar("L", bound=Numbered)


@dataclass(frozen=True)
class Cursor:
    """The next page to ask for (None: the first), how many items came before it, and what repeats would start with."""

    page: int | None = None
    listed: int = 0
    first_id: str = ""
    previous_id: str = ""

    def after(self, ids: Sequence[str], answer: Numbered) -> "Cursor | None":
        """Where to go on after this answer; None at the end.

        Raises: SerializationError where the service gives another page than was asked for.
        """
        if not ids:
            return None
        if self._is_first_again(ids, answer):
            return Cursor(2, self.listed, self.first_id)
        repeats = ids[0] in (self.first_id, self.previous_id)
        if self.page is not None and (answer.page not in (None, self.page) or repeats):
            raise SerializationError("the service answers with another page than was asked for")
        listed = self.listed + len(ids)
        number = answer.page if answer.page is not None else (self.page or 0)
        return None if listed >= answer.total else Cursor(number + 1, listed, self.first_id or ids[0], ids[0])

    def _is_first_again(self, ids: Sequence[str], answer: Numbered) -> bool:
        """A server that numbers from 1, but does not say so, gives page 1 twice."""
        return answer.page is None and self.page == 1 and ids[0] == self.first_id


def walk(fetch: Callable[[int | None], L], items_of: Callable[[L], list[T]], id_of: Callable[[T], str]) -> Iterator[T]:
    """Every item of a listing, page by page, until an empty page or `total`."""
    cursor: Cursor | None = Cursor()
    while cursor is not None:
        answer = fetch(cursor.page)
        items = items_of(answer)
        following = cursor.after([id_of(item) for item in items], answer)
        if following is None or following.listed > cursor.listed:
            yield from items
        cursor = following
