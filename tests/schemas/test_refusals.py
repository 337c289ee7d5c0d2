"""The reasons of a refusal: a closed list, said in words of ours."""

from datetime import UTC, datetime

import pytest
from memory_graph_workers.schemas.refusals import REFUSAL, Refusal, RefusalReason, refusal_of
from memory_graph_workers.schemas.registry import SessionStatus

UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
FACTS = {"reason": "retention_not_over", "kept_until": "2027-01-01T00:00:00Z"}


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_reason_is_read_as_it_was_written_and_has_a_sentence(reason: RefusalReason) -> None:
    refusal = Refusal(reason, kept_until=UNTIL, session_status=SessionStatus.ARCHIVED)
    assert refusal_of({**REFUSAL.as_json(refusal), "code": 409, "message": "free text"}) == refusal
    assert refusal.sentence.startswith("kept until 2027-01-01T00:00:00Z: the session is archived: ")
    assert Refusal(reason).sentence == refusal.sentence.split(": ")[-1]


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "retention_not_over",
        {},
        {"kept_until": "2027-01-01T00:00:00Z"},
        *({**FACTS, "reason": reason} for reason in ("said: x", "RETENTION_NOT_OVER", "", None, 1, True, ["x"], {})),
        *({**FACTS, "kept_until": moment} for moment in ("soon", "2027-01-01", "2027-02-30T00:00:00Z", 7, {}, ["x"])),
        *({**FACTS, "session_status": status} for status in ("hello", "ARCHIVED", 1, [])),
    ],
    ids=repr,
)
def test_what_is_not_of_the_known_form_is_no_refusal(told: object) -> None:
    assert refusal_of(told) is None
