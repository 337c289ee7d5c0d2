"""When an entry of beat is due."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import BaseSchedule, crontab, schedule
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.beat import Entry, _unless_away  # pyright: ignore[reportPrivateUsage]
from redis.exceptions import ResponseError

LAST_RUN = datetime(2026, 1, 1, 3, 0, 1, 500, tzinfo=UTC)


@pytest.mark.parametrize("now", [timedelta(0), timedelta(seconds=7), timedelta(hours=5), timedelta(days=2)])
@pytest.mark.parametrize(
    ("period", "due"),
    [
        (schedule(timedelta(seconds=20)), LAST_RUN + timedelta(seconds=20)),
        (schedule(timedelta(hours=24)), LAST_RUN + timedelta(hours=24)),
        (crontab(minute="0", hour="3"), datetime(2026, 1, 2, 3, tzinfo=UTC)),
    ],
)
def test_an_entry_is_due_at_the_same_time_whenever_that_is_asked(
    period: BaseSchedule, due: datetime, now: timedelta
) -> None:
    period.nowfun = lambda: LAST_RUN + now  # type: ignore[attr-defined]
    entry = Entry(name="sweep", task="sweep", schedule=period, last_run_at=LAST_RUN, app=app)
    assert entry.due_at == due


def test_an_entry_that_never_ran_is_due_now() -> None:
    entry = Entry(name="sweep", task="sweep", schedule=schedule(timedelta(hours=1)), app=app)
    entry.last_run_at = None
    assert abs(entry.due_at - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_key_of_another_type_is_said_and_ends_no_beat(caplog: pytest.LogCaptureFixture) -> None:
    with _unless_away("nothing is sent"):
        raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
    assert "nothing is sent. Look for a key of another type among memory_graph:beat:*" in caplog.text
    with pytest.raises(ResponseError), _unless_away("nothing is sent"):
        raise ResponseError("ERR unknown command")
