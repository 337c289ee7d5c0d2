"""What has expired is deleted beside the requests, a slice at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from memory_graph_workers.services.registry.records import IdempotentResponse, UsageKey
from memory_graph_workers.services.registry.usage import Counter
from memory_graph_workers.services.web import cleaning
from memory_graph_workers.services.web.cleaning import SLICE, clean, start_cleaning
from memory_graph_workers.services.web.idempotency import IdempotencyStore
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from support.waiting import until

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TODAY = (NOW.date() - datetime(1970, 1, 1).date()).days  # noqa: DTZ001 - a date


def fill(storage, expired, kept):
    def rows(session):
        for number in range(expired + kept):
            is_old = number < expired
            session.add(UsageKey(key=b"%016d" % number, fields=b"", day=TODAY - (91 if is_old else 90)))
            until = NOW - timedelta(seconds=1) if is_old else NOW
            session.add(IdempotentResponse(route="r", key=str(number), fingerprint="", body="", kept_until=until))

    storage.write(rows)


def counted(storage):
    with storage.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in (UsageKey, IdempotentResponse)]


@pytest.mark.parametrize("expired", [0, 3, SLICE, 2 * SLICE + 7])
def test_all_that_has_expired_goes_and_nothing_else(storage, expired):
    fill(storage, expired, 5)
    clean([IdempotencyStore(storage, IdempotentResponse, lambda: NOW).purge, Counter(storage, 90, lambda: NOW).purge])
    assert counted(storage) == [5, 5]


def test_keys_that_are_kept_for_ever_stay(storage):
    fill(storage, 3, 0)
    clean([Counter(storage, None, lambda: NOW).purge])
    assert counted(storage)[0] == 3


def test_one_purge_deletes_no_more_than_a_slice(storage):
    fill(storage, SLICE + 1, 0)
    assert IdempotencyStore(storage, IdempotentResponse, lambda: NOW).purge() == SLICE
    assert Counter(storage, 90, lambda: NOW).purge() == SLICE


@pytest.mark.parametrize("error", [OperationalError("", {}, Exception()), ValueError(), KeyError("body"), OSError()])
def test_a_purge_that_fails_stops_no_other(error):
    done = []

    def fails():
        raise error

    clean([fails, lambda: done.append(1) or 0])
    assert done == [1]


def test_the_thread_that_cleans_outlives_what_fails(monkeypatch):
    monkeypatch.setattr(cleaning, "_PAUSE_SECS", 0.01)
    tries = []

    def fails():
        tries.append(1)
        raise ValueError

    start_cleaning([fails])
    until(lambda: len(tries) > 2)
    monkeypatch.setattr(cleaning, "_PAUSE_SECS", 3600.0)
