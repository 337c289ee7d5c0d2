"""Which master keys the archives need, and rewrapping their data keys with the first one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from ..database.storage import Storage
from .keys import KeyRing, Unreadable, WrappedKey
from .records import ArchiveRecord

_PAGE = 500
_TABLE: Any = ArchiveRecord.__table__


class KeyState(StrEnum):
    """What a key is used for."""

    FIRST = "first"
    NEEDED = "needed"
    UNUSED = "unused"
    LOST = "lost"

    def explain(self) -> str:
        """Say what the state means, and what to do."""
        return _EXPLAINED[self]


_EXPLAINED = {
    KeyState.FIRST: "first: new archives are encrypted with it",
    KeyState.NEEDED: "needed until: mgw vault rotate",
    KeyState.UNUSED: "may be removed once no running vault has it first",
    KeyState.LOST: "lost: not in VAULT_ENCRYPTION_KEYS",
}


@dataclass(frozen=True)
class KeyUse:
    """A key and the number of archives that need it."""

    key_id: str
    archives: int
    state: KeyState

    @property
    def is_lost(self) -> bool:
        """Whether archives need this key and it is not configured."""
        return self.state is KeyState.LOST


@dataclass(frozen=True)
class RotatedPage:
    """One page of a rotation: its size, how many were rewrapped, and which archives could not be read."""

    size: int
    rotated: int
    unreadable: list[str]


def check_keys(storage: Storage, ring: KeyRing) -> None:
    """Check that every archive's key is configured.

    Raises: ValueError naming the ids of the missing keys.
    """
    with storage.read() as session:
        lost = [key_id for key_id in used_key_ids(session) if key_id not in ring]
    if lost:
        raise ValueError(
            f"encryption_keys (VAULT_ENCRYPTION_KEYS): archives need the keys {', '.join(lost)}, which are not in it. "
            "Add them again, after the first; without them these archives cannot be read."
        )


def used_key_ids(session: Session) -> list[str]:
    """The ids of all keys in use: one index lookup per key, however many archives there are."""
    found: list[str] = []
    while key_id := session.scalar(select(func.min(ArchiveRecord.key_id)).where(_later_than(found))):
        found.append(key_id)
    return found


def key_uses(storage: Storage, ring: KeyRing) -> list[KeyUse]:
    """Every key that is configured, in order, then every lost key that archives need."""
    query = select(ArchiveRecord.key_id, func.count()).group_by(ArchiveRecord.key_id)
    with storage.read() as session:
        counts = {str(key_id): int(count) for key_id, count in session.execute(query)}
    ids = [*ring.ids, *sorted(key_id for key_id in counts if key_id not in ring)]
    return [KeyUse(key_id, counts.get(key_id, 0), _state(key_id, counts, ring)) for key_id in ids]


def rotate(storage: Storage, ring: KeyRing) -> Iterator[RotatedPage]:
    """Rewrap with the first key what another key wraps, one page per transaction; resumes if interrupted."""
    with storage.read() as session:
        others = [key_id for key_id in used_key_ids(session) if key_id != ring.first.id]
    for key_id in others:
        last = ""
        while page := _page(storage, key_id, last):
            yield _rotate_page(storage, ring, page)
            last = page[-1][0]


def _state(key_id: str, counts: Mapping[str, int], ring: KeyRing) -> KeyState:
    if key_id not in ring:
        return KeyState.LOST
    if key_id == ring.first.id:
        return KeyState.FIRST
    return KeyState.NEEDED if key_id in counts else KeyState.UNUSED


def _later_than(found: Sequence[str]) -> Any:
    return ArchiveRecord.key_id > (found[-1] if found else "")


def _page(storage: Storage, key_id: str, last: str) -> list[tuple[str, WrappedKey]]:
    query = (
        select(ArchiveRecord.archive_id, ArchiveRecord.wrapped_key)
        .where(ArchiveRecord.key_id == key_id, ArchiveRecord.archive_id > last)
        .order_by(ArchiveRecord.archive_id)
        .limit(_PAGE)
    )
    with storage.read() as session:
        return [(archive_id, WrappedKey(key_id, wrapped)) for archive_id, wrapped in session.execute(query)]


def _rotate_page(storage: Storage, ring: KeyRing, page: Sequence[tuple[str, WrappedKey]]) -> RotatedPage:
    changes: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for archive_id, old in page:
        try:
            new = ring.rewrap(old, archive_id)
        except Unreadable:
            unreadable.append(archive_id)
            continue
        changes.append({"archive": archive_id, "old": old.wrapped, "new_id": new.key_id, "new": new.wrapped})
    rotated = storage.write(lambda session: _apply(session, changes)) if changes else 0
    return RotatedPage(len(page), rotated, unreadable)


def _apply(session: Session, changes: list[dict[str, Any]]) -> int:
    # Skips an archive that was deleted or rotated by another process meanwhile.
    statement = (
        update(_TABLE)
        .where(_TABLE.c.archive_id == bindparam("archive"), _TABLE.c.wrapped_key == bindparam("old"))
        .values(key_id=bindparam("new_id"), wrapped_key=bindparam("new"))
    )
    return session.connection().execute(statement, changes).rowcount
