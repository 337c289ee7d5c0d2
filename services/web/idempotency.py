"""Idempotency-Key: the response to a POST is stored in the transaction of its effect, and returned to a repeat."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from flask import Response, current_app, request
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import Schema
from sqlalchemy import Boolean, ColumnElement, Connection, String, Text, bindparam, delete, or_, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from ...schemas.canonical import canonical_json
from ...schemas.refusals import Refusal, RefusalReason
from ..database.storage import Storage, UtcDateTime, WriteConflict
from ..database.upsert import insert_or_replace
from .cleaning import SLICE
from .conflict import conflict

RETENTION = timedelta(days=90)  # as long as a dead letter, which can be replayed
KEY_REUSED = Refusal(RefusalReason.KEY_REUSED)
# Makes the fingerprint of a body, in the same way as the earlier fingerprint given, if any. None: that way is gone.
Fingerprint = Callable[[bytes, str | None], str | None]
_VALID_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def capability(kept_days: int | None) -> dict[str, Any]:
    """The capability that /health tells: how long keys are known, None for ever."""
    return {"idempotency": {"kept_days": kept_days}}


def sha256_fingerprint(body: bytes, earlier: str | None) -> str:
    """The SHA-256 of a body, as a `Fingerprint`."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True)
class Keyed:
    """A request with a key: the fingerprint of what it asks for, and where and until when its response is stored.

    One that `replaces` was compared with a stored response in vain: the key of that one's fingerprint is gone.
    """

    route: str
    key: str
    fingerprint: str
    kept_until: datetime
    replaces: bool = False


class StoredResponse:
    """The columns of a table of stored responses; each service mixes them into a table of its own."""

    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column("body_mark", String(100))
    body: Mapped[str] = mapped_column("answer", Text)
    kept_until: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True)
class LeftOut:
    """A field of a response that is not stored with it, and what a response says there, also to a repeat.

    So whoever deletes what the field is about need not look for stored responses.
    """

    name: str
    value: Callable[[Session], Any]


class IdempotencyStore:
    """Runs each POST in one write transaction, and returns the stored response for a repeated key."""

    def __init__(
        self,
        storage: Storage,
        table: type[Any],
        now: Callable[[], datetime],
        fingerprint: Fingerprint = sha256_fingerprint,
    ) -> None:
        self._storage, self._table, self._now, self._fingerprint = storage, table, now, fingerprint

        def replaceable() -> ColumnElement[bool]:
            return or_(table.kept_until < bindparam("now"), bindparam("replaces", type_=Boolean))

        self._replaceable = replaceable

    def respond(
        self, work: Callable[[Session], dict[str, Any]], status: int, left_out: LeftOut | None = None
    ) -> Response:
        """Run `work`, which makes the response's JSON, unless a response is stored for the request's key."""
        key, route = requested_key(), _route()

        def kept(session: Session) -> str:
            return current_app.json.dumps(_without(work(session), left_out))

        def respond(session: Session) -> str:
            if key is None:
                return current_app.json.dumps(work(session))
            return _completed(self.once(session, route, key, kept), session, left_out)

        return current_app.response_class(self._storage.write(respond), status, mimetype="application/json")

    def once(
        self,
        session: Session,
        route: str,
        key: str,
        work: Callable[[Session], str],
        kept: timedelta = RETENTION,
    ) -> str:
        """Run `work` and store the body that it makes, or return the one that is stored for the route's key."""
        stored = session.get(self._table, (route, key))
        if stored is not None and stored.kept_until < self._now():
            session.delete(stored)
            session.flush()
            stored = None
        if stored is None:
            return self._store(session, route, key, work(session), kept)
        if not self.is_repeat(stored.fingerprint):
            session.delete(stored)
            session.flush()
            return self._store(session, route, key, work(session), kept)
        return stored.body

    def keyed(self) -> Keyed | None:
        """The request that is served now, if it has a key."""
        key = requested_key()
        if key is None:
            return None
        return Keyed(_route(), key, self._fingerprint(_content(), None) or "", self._now() + RETENTION)

    def is_repeat(self, earlier: str) -> bool:
        """Whether this request is the one that a fingerprint is of; a 409 if it is another one.

        False if they can no longer be compared; the work itself recognizes a repeat.
        """
        fingerprint = self._fingerprint(_content(), earlier)
        if fingerprint is not None and fingerprint != earlier:
            conflict(KEY_REUSED)
        return fingerprint is not None

    def keep(self, connection: Connection, keyed: Keyed, body: str) -> None:
        """Store the response to a request for which none is stored that still counts.

        Raises: WriteConflict if one came meanwhile.
        """
        row = {"route": keyed.route, "key": keyed.key, "fingerprint": keyed.fingerprint, "body": body}
        row |= {"kept_until": keyed.kept_until, "now": self._now(), "replaces": keyed.replaces}
        if not insert_or_replace(connection, self._table, row, self._replaceable):
            raise WriteConflict

    def purge(self) -> int:
        """Delete some of the expired responses, none that another process is deleting; returns how many."""
        return self._storage.write(self._purge)

    def _purge(self, session: Session) -> int:
        name = tuple_(self._table.route, self._table.key)
        due = select(self._table.route, self._table.key).where(self._table.kept_until < self._now()).limit(SLICE)
        names = [tuple(row) for row in session.execute(due.with_for_update(skip_locked=True))]
        if names:
            session.execute(delete(self._table).where(name.in_(names)))
        return len(names)

    def _store(self, session: Session, route: str, key: str, body: str, kept: timedelta) -> str:
        fingerprint = self._fingerprint(_content(), None)
        until = self._now() + kept
        session.add(self._table(route=route, key=key, fingerprint=fingerprint, body=body, kept_until=until))
        return body


def requested_key() -> str | None:
    """The request's Idempotency-Key; a 400 if it is none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not is_key(key):
        abort(400, message="Idempotency-Key must have 1 to 255 printable ASCII characters.")
    return key


def is_key(given: str) -> bool:
    """Whether an Idempotency-Key is valid."""
    return bool(_VALID_KEY.fullmatch(given))


def _route() -> str:
    return f"{request.method} {request.url_rule}"


def _content() -> bytes:
    """What a request is about: its body, after the ids of its path if it has any."""
    ids = request.view_args
    return (canonical_json(ids) + b"\n" if ids else b"") + request.get_data()


def respond_once(
    status: int, schema: Schema, work: Callable[[Session], Any], left_out: LeftOut | None = None
) -> Response:
    """Respond to a POST with the model that `work` makes: once for each Idempotency-Key, in one transaction."""
    store: IdempotencyStore = current_app.extensions["idempotency"]
    return store.respond(lambda session: cast("dict[str, Any]", schema.dump(work(session))), status, left_out)


def _without(made: dict[str, Any], left_out: LeftOut | None) -> dict[str, Any]:
    return {name: value for name, value in made.items() if left_out is None or name != left_out.name}


def _completed(body: str, session: Session, left_out: LeftOut | None) -> str:
    if left_out is None:
        return body
    return current_app.json.dumps({**json.loads(body), left_out.name: left_out.value(session)})
