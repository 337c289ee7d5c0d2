"""Stored responses about a session without its metadata, which a deletion must not leave behind."""

import json

import sqlalchemy as sa
from alembic import op

revision = "registry_0006"
down_revision = "registry_0005"

_ROUTES = ("POST /api/v1/sessions", "POST /api/v1/sessions/<id:session_id>/reopen")
_AT_A_TIME = 1000
_ANSWERS = sa.table("answers", sa.column("route"), sa.column("key"), sa.column("answer"))


def upgrade() -> None:
    """Change no table, and rewrite what earlier releases stored."""
    for route in _ROUTES:
        after = ""
        while after is not None:
            after = _rewrite_some(route, after)


def _rewrite_some(route: str, after: str) -> str | None:
    """Rewrite the responses of a route's next keys, and return the last of these keys."""
    columns = _ANSWERS.c
    query = sa.select(columns.key, columns.answer).where(columns.route == route, columns.key > after)
    found = op.get_bind().execute(query.order_by(columns.key).limit(_AT_A_TIME)).all()
    for key, answer in found:
        told = json.loads(answer)
        if told.pop("metadata", None):
            mine = (columns.route == route, columns.key == key)
            op.execute(sa.update(_ANSWERS).where(*mine).values(answer=json.dumps(told)))
    return found[-1][0] if found else None
