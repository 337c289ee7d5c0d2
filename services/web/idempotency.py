"""Idempotency-Key: the answer to a POST is kept in the transaction of its effect, and given again."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask import Response, current_app, request
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import Schema
from sqlalchemy import String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database.storage import Moment, Storage

KEPT = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 20
# Makes what recognises a body again, in the way of the second argument, an earlier mark; None: that way is closed.
Mark = Callable[[bytes, str | None], str | None]
_SANE_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def digest_of(body: bytes, like: str | None) -> str:
    """The SHA-256 of a body, as `Mark`."""
    return hashlib.sha256(body).hexdigest()


class KeptAnswer:
    """The table of kept answers; each service's base mixes it into a table of its own."""

    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_mark: Mapped[str] = mapped_column(String(100))
    answer: Mapped[str] = mapped_column(Text)
    kept_until: Mapped[datetime] = mapped_column(Moment, index=True)


class Once:
    """Gives each POST one write transaction, and answers a repeated key as the first time."""

    def __init__(self, storage: Storage, table: type[Any], now: Callable[[], datetime], mark: Mark = digest_of) -> None:
        self._storage, self._table, self._now, self._mark = storage, table, now, mark

    def answer(self, work: Callable[[Session], str], status: int) -> Response:
        """Do `work`, which makes the body of the answer, unless its answer is kept already."""
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _SANE_KEY.fullmatch(key):
            abort(400, message="Idempotency-Key must have 1 to 255 printable ASCII characters.")
        body = self._storage.write(lambda session: self._body(session, key, work))
        return current_app.response_class(body, status, mimetype="application/json")

    def _body(self, session: Session, key: str | None, work: Callable[[Session], str]) -> str:
        if key is None:
            return work(session)
        route = f"{request.method} {request.url_rule}"
        self._forget(session, route, key)
        self._forget_some(session)
        kept = session.get(self._table, (route, key))
        if kept is None:
            return self._keep(session, route, key, work(session))
        mark = self._mark(request.get_data(), kept.body_mark)
        if mark is None:  # the work itself takes a repeat for one
            session.delete(kept)
            session.flush()
            return self._keep(session, route, key, work(session))
        if mark != kept.body_mark:
            abort(409, message="This Idempotency-Key came with another body before.")
        return kept.answer

    def _forget_some(self, session: Session) -> None:
        # A few at a time, and none that another request is about to forget: no request waits for this.
        due = select(self._table.route, self._table.key).where(self._table.kept_until < self._now())
        for route, key in session.execute(due.limit(_FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)).all():
            self._forget(session, route, key)

    def _forget(self, session: Session, route: str, key: str) -> None:
        mine = (self._table.route == route, self._table.key == key)
        session.execute(delete(self._table).where(*mine, self._table.kept_until < self._now()))

    def _keep(self, session: Session, route: str, key: str, body: str) -> str:
        until = self._now() + KEPT
        mark = self._mark(request.get_data(), None)
        session.add(self._table(route=route, key=key, body_mark=mark, answer=body, kept_until=until))
        return body


def once(status: int, schema: Schema, work: Callable[[Session], Any]) -> Response:
    """Answer a POST with the model that `work` makes: once for each Idempotency-Key, in one transaction."""
    keeper: Once = current_app.extensions["once"]
    return keeper.answer(lambda session: current_app.json.dumps(schema.dump(work(session))), status)
