"""Storing a request's archives: written once, in one transaction and few statements, however many there are.

Usually all of them are new. The response that says so is made beforehand, so that the database stores it with them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, or_, select

from ...schemas.refusals import Refusal, RefusalReason
from ...schemas.vault import ArchiveResponse
from ..database.storage import Storage, WriteConflict
from ..web.idempotency import IdempotencyStore, Keyed
from . import inserting_postgresql, inserting_sqlite
from .archives import data_of, retention_end
from .drafts import Draft, Refused
from .inserted import Inserted
from .keys import KeyRing, Unreadable
from .records import ArchiveRecord

Outcome = ArchiveResponse | Refused | Unreadable
OTHER_CONTENT = Refusal(RefusalReason.OTHER_CONTENT)
_INSERT = {"postgresql": inserting_postgresql.insert, "sqlite": inserting_sqlite.insert}
_MOST_BYTES = 64 * 2**20  # of stored archives that are compared at a time


class Archiver:
    """Stores archives in a Vault's database."""

    def __init__(
        self, storage: Storage, idempotency: IdempotencyStore, ring: KeyRing, now: Callable[[], datetime]
    ) -> None:
        self._storage, self._idempotency, self._ring, self._now = storage, idempotency, ring, now

    def store(self, drafts: Sequence[Draft], write: Callable[[Sequence[Outcome]], str]) -> str:
        """Store archives, and return the response that `write` makes of what became of each, once for a request's key.

        If `write` raises, nothing is stored.
        """
        keyed, now = self._idempotency.keyed(), self._now()
        return self._storage.write(lambda session: self._store(session.connection(), drafts, write, keyed, now))

    def _store(
        self,
        connection: Connection,
        drafts: Sequence[Draft],
        write: Callable[[Sequence[Outcome]], str],
        keyed: Keyed | None,
        now: datetime,
    ) -> str:
        expected = write([_receipt(draft, draft.policy_id, now) for draft in drafts])
        inserted = _insert(connection, drafts, keyed, expected, now)
        if keyed and inserted.stored:
            if self._idempotency.is_repeat(inserted.stored.fingerprint):
                return inserted.stored.text
            keyed = replace(keyed, replaces=True)
            inserted = _insert(connection, drafts, keyed, expected, now)
        if inserted.has_response:
            return expected
        was_expected = _is_expected(inserted, drafts)
        response = expected if was_expected else write(_outcomes(connection, drafts, inserted, self._ring, now))
        if keyed:
            self._idempotency.keep(connection, keyed, response)
        return response


def store(connection: Connection, drafts: Sequence[Draft], ring: KeyRing, now: datetime) -> list[Outcome]:
    """Store archives for no request, and return what became of each; a repeat of the same content changes nothing."""
    inserted = _insert(connection, drafts, None, "", now)
    return _outcomes(connection, drafts, inserted, ring, now)


def _insert(
    connection: Connection, drafts: Sequence[Draft], keyed: Keyed | None, expected: str, now: datetime
) -> Inserted:
    return _INSERT[connection.dialect.name](connection, drafts, keyed, expected, now)


def _is_expected(inserted: Inserted, drafts: Sequence[Draft]) -> bool:
    asked = {draft.entry.id: draft.policy_id for draft in drafts}
    return len(asked) == len(drafts) and inserted.policies == asked


def _outcomes(
    connection: Connection, drafts: Sequence[Draft], inserted: Inserted, ring: KeyRing, now: datetime
) -> list[Outcome]:
    """What became of each draft: of two with the same id, the first is the new one."""
    outcomes: dict[int, Outcome] = {}
    others: dict[str, list[int]] = {}
    new = dict(inserted.policies)
    for place, draft in enumerate(drafts):
        if draft.entry.id in new:
            outcomes[place] = _receipt(draft, new.pop(draft.entry.id), now)
        else:
            others.setdefault(draft.entry.id, []).append(place)
    for row in _existing(connection, others):
        for place in others[row.archive_id]:
            outcomes[place] = _compared(row, drafts[place], ring)
    if len(outcomes) < len(drafts):
        raise WriteConflict  # it was there, and was deleted meanwhile
    return [outcomes[place] for place in range(len(drafts))]


def _receipt(draft: Draft, policy_id: str | None, now: datetime) -> ArchiveResponse:
    entry = draft.entry
    kept_until = retention_end(now, entry.retention_days)  # a batch, which alone has policies, does not tell it
    return ArchiveResponse(entry.id, entry.session_id, "archived", entry.archived_at or now, now, kept_until, policy_id)


def _compared(row: Row[Any], draft: Draft, ring: KeyRing) -> Outcome:
    try:
        is_same = (row.session_id, row.retention_days) == (draft.entry.session_id, draft.entry.retention_days)
        if is_same and data_of(row, ring) == draft.data:
            facts = (row.archived_at, row.received_at, row.kept_until, row.policy_id)
            return ArchiveResponse(row.archive_id, row.session_id, "archived", *facts)
    except Unreadable as error:
        return error
    return Refused(409, "conflict: an archive with this id holds other content", OTHER_CONTENT)


def _existing(connection: Connection, ids: Iterable[str]) -> Iterator[Row[Any]]:
    """The archives with these ids; bodies of one part are in memory at a time."""
    left = set(ids)
    while left:
        rows = connection.execute(_EXISTING, {"wanted": list(left), "most_bytes": _MOST_BYTES}).all()
        if not rows:
            return
        for row in rows:
            left.discard(row.archive_id)
            yield row


def _some_existing() -> Any:
    table = ArchiveRecord
    sized = select(
        table.archive_id,
        func.sum(func.length(table.body)).over(order_by=table.archive_id).label("bytes_so_far"),
        func.row_number().over(order_by=table.archive_id).label("place"),
    )
    sized = sized.where(table.archive_id.in_(bindparam("wanted", expanding=True))).subquery()
    columns = [
        table.archive_id,
        table.session_id,
        table.body,
        table.key_id,
        table.wrapped_key,
        table.archived_at,
        table.received_at.label("received_at"),
        table.retention_days,
        table.kept_until,
        table.policy_id,
    ]
    some = or_(sized.c.place == 1, sized.c.bytes_so_far <= bindparam("most_bytes"))
    return select(*columns).join(sized, table.archive_id == sized.c.archive_id).where(some)


_EXISTING = _some_existing()
