"""Idempotency-Key: the answer to a POST is kept in the transaction of its effect, and given again."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, current_app, g, request
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import String, Text, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from .bodies import body_digest
from .storage import Moment, Storage

P = ParamSpec("P")
KEPT = timedelta(days=7)
_SANE_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class KeptAnswer:
    """The table of kept answers; each service's base mixes it into a table of its own."""

    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[str] = mapped_column(Text)
    kept_until: Mapped[datetime] = mapped_column(Moment, index=True)


class Once:
    """Gives a view one write transaction, and answers a repeated key as the first time."""

    def __init__(self, storage: Storage, table: type[Any], now: Callable[[], datetime]) -> None:
        self._storage, self._table, self._now = storage, table, now

    def answer(self, view: Callable[[], Response]) -> Response:
        """Run `view` with `g.session` set, unless its answer is kept already."""
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _SANE_KEY.fullmatch(key):
            abort(400, message="Idempotency-Key must have 1 to 255 printable ASCII characters.")
        return self._storage.write(lambda session: self._answer(session, key, view))

    def _answer(self, session: Session, key: str | None, view: Callable[[], Response]) -> Response:
        g.session = session
        if key is None:
            return view()
        route = f"{request.method} {request.url_rule}"
        session.execute(delete(self._table).where(self._table.kept_until < self._now()))
        kept = session.get(self._table, (route, key))
        return self._again(kept) if kept else self._keep(session, route, key, view())

    def _again(self, kept: Any) -> Response:
        if kept.body_digest != body_digest():
            abort(409, message="This Idempotency-Key came with another body before.")
        return current_app.response_class(kept.answer, kept.status, mimetype="application/json")

    def _keep(self, session: Session, route: str, key: str, response: Response) -> Response:
        until = self._now() + KEPT
        kept = self._table(
            route=route, key=key, body_digest=body_digest(), status=response.status_code,
            answer=response.get_data(as_text=True), kept_until=until,
        )  # fmt: skip
        session.add(kept)
        return response


def once(view: Callable[P, Response]) -> Callable[P, Response]:
    """Answer a POST once for each Idempotency-Key; the view finds its transaction in `g.session`."""

    @wraps(view)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Response:
        keeper: Once = current_app.extensions["once"]
        return keeper.answer(lambda: view(*args, **kwargs))

    return answered
