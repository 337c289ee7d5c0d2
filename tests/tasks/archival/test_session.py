"""Which sessions are due, and under which id their archives are."""

from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.tasks.archival.session import archive_id_of, is_due

CUTOFF = datetime(2026, 1, 31, tzinfo=UTC)
BEFORE, AFTER = CUTOFF - timedelta(days=1), CUTOFF + timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "started_at", "ended_at", "due"),
    [
        (SessionStatus.COMPLETED, BEFORE, BEFORE, True),
        (SessionStatus.FAILED, BEFORE, BEFORE, True),
        (SessionStatus.COMPLETED, BEFORE, None, True),
        (SessionStatus.COMPLETED, BEFORE, AFTER, False),
        (SessionStatus.COMPLETED, BEFORE, CUTOFF, False),
        (SessionStatus.COMPLETED, AFTER, None, False),
        (SessionStatus.COMPLETED, AFTER, BEFORE, True),  # clocks differ: the end decides
        (SessionStatus.ACTIVE, BEFORE, None, False),
        (SessionStatus.ARCHIVED, BEFORE, BEFORE, False),
    ],
)
def test_a_session_is_due_that_is_finished_and_ended_before_the_cutoff(
    status: SessionStatus, started_at: datetime, ended_at: datetime | None, due: bool
) -> None:
    assert is_due(SessionInfo("s", "m", started_at, status, ended_at), CUTOFF) == due


def test_an_archive_has_one_id_for_ever_and_each_revision_its_own() -> None:
    assert archive_id_of("s") == archive_id_of("s")
    assert len({archive_id_of("s"), archive_id_of("t"), archive_id_of("s", "digest"), archive_id_of("s", "other")}) == 4
