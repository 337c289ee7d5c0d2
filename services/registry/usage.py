"""The Registry's usage: each report is stored, and added to the running totals of its session and its model."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.orm import Session

from ...schemas.usage import UsageReport, UsageStats, tokens_by_kind
from ..database.driver import Run, run_in
from ..database.group_commit import GroupCommit
from ..database.storage import Storage
from ..web.idempotency import KEY_REUSED, IdempotencyStore, sha256_fingerprint
from . import counting_postgresql, counting_sqlite
from . import models as registry_models
from . import totals as registry_totals
from .counted import ROUTE, Days, Entry, Seen
from .outcomes import DONE, NO_SESSION, Outcome, contradicts, invalid, refuse
from .usage_keys import days, fields_digest, key_bytes, purge

# Nine million reports of this size still fit into a 64-bit total.
_MAX_COUNT = 10**12
_OF_SESSION = ""  # for the model of the session, which is recorded when that is registered
_MOST_KNOWN_MODELS = 10_000  # whoever reports usage names them
_KEYLESS_KEPT = timedelta(hours=1)
_COUNT = {"postgresql": counting_postgresql.count, "sqlite": counting_sqlite.count}


@dataclass(frozen=True, slots=True)
class Sent:
    """A usage report as it was sent: its fields before any default was filled in, its key, and a request's body."""

    report: UsageReport
    fields: Any
    key: str | None = None
    body: bytes = b""


_KEY_REUSED = contradicts(KEY_REUSED)


class Counter:
    """Counts usage reports in a Registry's database."""

    def __init__(self, storage: Storage, kept_days: int | None, now: Callable[[], datetime]) -> None:
        """`kept_days` is how long keys are known, None for ever."""
        self._storage, self._kept_days, self._now = storage, kept_days, now
        self._known_models = {_OF_SESSION}
        self._together = GroupCommit(self._track_apart)

    def track(self, sent: Sequence[Sent]) -> list[Outcome]:
        """Count reports in one transaction, and return what became of each, in their order.

        One that its key tells is a repeat changes nothing. Of two with the same key the first decides.
        """
        outcomes = {place: _too_much(one.report) for place, one in enumerate(sent)}
        firsts: dict[Any, int] = {}
        for place, one in enumerate(sent):
            if outcomes[place] is None:
                firsts.setdefault(place if one.key is None else one.key, place)
        outcomes.update(self._track_each({place: sent[place] for place in firsts.values()}))
        for place, one in enumerate(sent):
            if outcomes[place] is None:
                first = firsts[one.key]
                outcomes[place] = _like_first(outcomes[first] or DONE, one, sent[first])
        return [outcomes[place] or DONE for place in range(len(sent))]

    def _track_apart(self, sent: Sequence[Sent]) -> list[Outcome]:
        """Count reports that came by themselves: of two with the same key, the second as if it had come later."""
        firsts: dict[Any, Sent] = {}
        for one in sent:
            firsts.setdefault(one.key, one)
        outcomes = dict(zip(firsts, self.track(list(firsts.values())), strict=True))
        return [outcomes[one.key] if firsts[one.key] is one else self.track([one])[0] for one in sent]

    def _track_each(self, sent: dict[int, Sent]) -> dict[int, Outcome]:
        """Count reports with different keys, by their places."""
        if not sent:
            return {}
        entries, now = [_entry(one) for one in sent.values()], self._now()
        if self._known_models.issuperset(entry.report.model_id for entry in entries):
            known_days = days(now, self._kept_days)
            seen = self._storage.write_at_once(lambda run: count_rows(run, entries, now, known_days))
        else:
            seen = self._storage.write(lambda session: self._count(session, entries, now))
        self._remember_models(entry.report.model_id for entry, one in zip(entries, seen, strict=True) if one.is_new)
        return {place: _outcome(sent[place], entry, one) for place, entry, one in zip(sent, entries, seen, strict=True)}

    def _remember_models(self, model_ids: Iterable[str]) -> None:
        """Remember which models are recorded, so that no report looks for them again; forget all once they are many."""
        if len(self._known_models) > _MOST_KNOWN_MODELS:
            self._known_models = {_OF_SESSION}
        self._known_models.update(model_ids)

    def track_one(self, sent: Sent) -> None:
        """Count a report that came alone; aborts if it is refused.

        Without a key it counts unless the same bytes came within the last hour. Bytes tell two reports apart only if
        their timestamp has a fraction of a second; without one each report counts. The published client repeats a lost
        response so. Reports with keys that come at the same time are counted in one transaction.
        """
        if sent.key is not None:
            refuse(self._together.write(sent))
        elif sent.report.timestamp is not None and sent.report.timestamp.microsecond:
            self._once_in_an_hour(sent)
        else:
            refuse(self.track([sent])[0])

    def _once_in_an_hour(self, sent: Sent) -> None:
        refuse(_too_much(sent.report) or DONE)
        store: IdempotencyStore = current_app.extensions["idempotency"]
        entry, now = _entry(sent), self._now()

        def work(session: Session) -> str:
            refuse(_outcome(sent, entry, self._count(session, [entry], now)[0]))  # which keeps nothing
            return ""

        name, fingerprint = f"{ROUTE} without a key", sha256_fingerprint(sent.body, None)
        self._storage.write(lambda session: store.once(session, name, fingerprint, work, _KEYLESS_KEPT))

    def purge(self) -> int:
        """Delete some of the keys that are no longer known; returns how many."""
        first_day = days(self._now(), self._kept_days).first
        return self._storage.write(lambda session: purge(session, first_day)) if first_day else 0

    def _count(self, session: Session, entries: list[Entry], now: datetime) -> list[Seen]:
        return count(session, entries, now, days(now, self._kept_days), self._known_models)


def count(
    session: Session, entries: list[Entry], now: datetime, known_days: Days, known_models: Collection[str] = ()
) -> list[Seen]:
    """Count reports with different keys, record the models that they name, and return what became of each."""
    seen = count_rows(run_in(session), entries, now, known_days)
    named = {entry.report.model_id for entry, one in zip(entries, seen, strict=True) if one.is_new}
    for model_id in sorted(named.difference(known_models, [_OF_SESSION])):
        registry_models.record_model(session, model_id, "", now)
    return seen


def count_rows(run: Run, entries: list[Entry], now: datetime, known_days: Days) -> list[Seen]:
    """Count reports with different keys whose models are recorded, and return what became of each."""
    return _COUNT[run.dialect.name](run, entries, now, known_days)


def of_session(run: Run, session_id: str) -> UsageStats:
    """A session's usage so far; a 404 if it does not exist."""
    return registry_totals.of_session(run, session_id) or abort(404, message=NO_SESSION.message)


def of_model(run: Run, model_id: str) -> UsageStats:
    """A model's usage so far, including that of deleted sessions; a 404 if it does not exist."""
    return registry_totals.of_model(run, model_id) or abort(404, message=registry_models.NO_MODEL)


def _entry(sent: Sent) -> Entry:
    if sent.key is None:
        return Entry(sent.report)
    return Entry(sent.report, sent.key, key_bytes(sent.key), fields_digest(sent.fields))


def _outcome(sent: Sent, entry: Entry, seen: Seen) -> Outcome:
    if not seen.has_session:
        return NO_SESSION
    if seen.fingerprint is not None:  # in a batch nothing tells what it was of
        same = not sent.body or seen.fingerprint == sha256_fingerprint(sent.body, None)
    else:
        same = seen.is_new or seen.fields == entry.fields
    return DONE if same else _KEY_REUSED


def _like_first(outcome: Outcome, sent: Sent, first: Sent) -> Outcome:
    return outcome if fields_digest(sent.fields) == fields_digest(first.fields) else _KEY_REUSED


def _too_much(report: UsageReport) -> Outcome | None:
    most_of_its_kind = max(tokens_by_kind(report.metadata).values(), default=0) if report.metadata else 0
    counts = {"total_tokens": report.total_tokens, "latency_ms": report.latency_ms, "metadata": most_of_its_kind}
    for name, number in counts.items():
        if (number or 0) > _MAX_COUNT:
            return invalid({name: [f"Must be at most {_MAX_COUNT}."]})
    return None
