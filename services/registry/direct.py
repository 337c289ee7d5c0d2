"""The Registry's busiest routes, whose plain calls run without Flask: what the views of `app.py` do for them."""

from collections.abc import Sequence
from typing import Any

from ...schemas.usage import UsageReportSchema, UsageStatsSchema
from ..database.storage import Storage
from ..web.direct import Call, DirectRoute
from ..web.request_body import parse_json, valid, with_fields_as_sent
from . import usage as registry_usage
from .usage import Counter, Sent

RECORDED = "recorded"
_SENT, _STATS = with_fields_as_sent(UsageReportSchema), UsageStatsSchema()


def direct_routes(storage: Storage, counter: Counter) -> Sequence[DirectRoute]:
    """The routes that a conversation calls most."""

    def track_usage(call: Call) -> dict[str, Any]:
        report, fields = valid(_SENT, parse_json(call.body))
        counter.track_one(Sent(report, fields, call.key, call.body))
        return {"status": RECORDED}

    def get_session_usage(call: Call) -> dict[str, Any]:
        (session_id,) = call.ids
        return _STATS.as_json(storage.read_at_once(lambda run: registry_usage.of_session(run, session_id)))

    return (
        DirectRoute("POST", "/api/v1/usage", "201 CREATED", track_usage),
        DirectRoute("GET", "/api/v1/sessions/<id:session_id>/usage", "200 OK", get_session_usage),
    )
