"""One batch of a sweep: what it remembers of its own work while it works."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from fakeredis import FakeRedis
from memory_graph_workers.clients.errors import ConnectionError, IntegrationError, Refused, ServiceUnavailable
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival import batch as batch_module
from memory_graph_workers.tasks.archival import storing
from memory_graph_workers.tasks.archival.batch import REMEMBERED_TOGETHER, Batch
from memory_graph_workers.tasks.archival.reading import Known
from memory_graph_workers.tasks.archival.session import Prepared
from memory_graph_workers.tasks.archival.state import Status, Sweep, Sweeps
from memory_graph_workers.tasks.archival.storing import Stored
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

IDS = [f"s-{number:02}" for number in range(25)]


class Killed(BaseException):
    """Ends a run as a SIGKILL would: nothing of it goes on."""


class Services:
    """Registry and vault in memory; the run is killed when the last session is to be marked."""

    def __init__(self, state: Sweeps, *, takes_batches: bool) -> None:
        self.state, self.marked, self.away = state, set[str](), False
        self.read_together = list[list[str]]()
        self.nodes = dict[str, list[Any]]()
        self.takes_batches = takes_batches
        self.known_when_killed = 0

    def read(self, session_id: str) -> SessionInfo:
        if self.away:
            raise ConnectionError("away")
        status = SessionStatus.ARCHIVED if session_id in self.marked else SessionStatus.COMPLETED
        return SessionInfo(session_id, "m", now() - timedelta(days=90), status, ended_at=now() - timedelta(days=80))

    def read_many(self, session_ids: Sequence[str], _: datetime) -> list[Known]:
        self.read_together.append([*session_ids])
        return [Known(one, self.read(one) if self.takes_batches else None, self.nodes.get(one)) for one in session_ids]

    def count_many(self, prepared: Sequence[Prepared]) -> dict[str, int]:
        return {item.session.session_id: 1 for item in prepared} if self.takes_batches else {}

    def mark_alone(self, prepared: Prepared) -> None:
        if prepared.session.session_id == IDS[-1]:
            self.known_when_killed = len(self.state.marked("one", "b"))
            raise Killed
        self.marked.add(prepared.session.session_id)

    def mark_together(self, prepared: Sequence[Prepared]) -> list[IntegrationError | None] | None:
        if not self.takes_batches:
            return None
        self.marked.update(item.session.session_id for item in prepared)
        return [None for _ in prepared]


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
def state(redis: FakeRedis) -> Sweeps:
    return Sweeps(redis)


@pytest.fixture(params=["alone", "together"])
def services(state: Sweeps, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Services]:
    def prepared(session: SessionInfo, *_: Any) -> Prepared:
        return Prepared(session, ArchiveEntry(session.session_id, {}, 365, id=f"a-{session.session_id}"), 1)

    def stored(some: Sequence[Prepared], *_: str, is_last_attempt: bool) -> Stored:
        return Stored({item.session.session_id: item.entry.id for item in some})

    found = Services(state, takes_batches=request.param == "together")
    monkeypatch.setenv("CALLS_SIDE_BY_SIDE", "1")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    for name in ("REGISTRY", "VAULT"):
        monkeypatch.setenv(f"{name}_URL", "http://127.0.0.1:1")
        monkeypatch.setenv(f"{name}_API_KEY", "k")
    monkeypatch.setenv("MEMORY_GRAPH_URL", "grpc://127.0.0.1:1")
    monkeypatch.setattr(batch_module, "read_session", found.read)
    monkeypatch.setattr(batch_module, "read_together", found.read_many)
    monkeypatch.setattr(batch_module, "count_together", found.count_many)
    monkeypatch.setattr(batch_module, "prepare", prepared)
    monkeypatch.setattr(batch_module, "store", stored)
    for name in ("place", "check_unchanged", "check_marked"):
        monkeypatch.setattr(batch_module, name, lambda *_: None)
    monkeypatch.setattr(batch_module, "mark_alone", found.mark_alone)
    monkeypatch.setattr(batch_module, "mark_together", found.mark_together)
    monkeypatch.setattr(batch_module, "ensure_policy", lambda *_: "p")
    connections.forget()
    yield found
    connections.forget()


def batch(state: Sweeps, *, is_last_attempt: bool = False) -> Batch:
    """A new run of the batch."""
    moment = now()
    sweep = Sweep("one", Trigger.MANUAL, Status.RUNNING, moment, moment - timedelta(days=30))
    return Batch(state, sweep, "b", is_last_attempt=is_last_attempt)


@pytest.mark.parametrize("services", ["alone"], indirect=True)
def test_a_killed_run_has_noted_nearly_all_that_it_archived(state: Sweeps, services: Services) -> None:
    with pytest.raises(Killed):
        batch(state).run(IDS)
    assert len(services.marked) == len(IDS) - 1
    assert len(services.marked) - services.known_when_killed <= REMEMBERED_TOGETHER + 1


@pytest.mark.parametrize("services", ["alone"], indirect=True)
def test_what_was_noted_stays_archived_though_the_registry_is_away_until_the_end(
    state: Sweeps, services: Services
) -> None:
    with pytest.raises(Killed):
        batch(state).run(IDS)
    services.away = True
    second = batch(state)
    second.run(IDS)
    second.give_up()
    assert second.result().archived >= services.known_when_killed
    assert second.result().archived + len(second.failed) == len(IDS)


@pytest.mark.parametrize("services", ["alone"], indirect=True)
def test_what_was_not_noted_is_asked_about_and_counted(state: Sweeps, services: Services, redis: FakeRedis) -> None:
    with pytest.raises(Killed):
        batch(state).run(IDS)
    redis.delete(*redis.keys("*:marked:*"))
    second = batch(state)
    second.run(IDS[:-1])
    assert sorted(second.archived) == IDS[:-1]
    assert not second.failed
    assert not second.skipped


def no_id(*_: Any, **__: Any) -> Any:
    return IDS[99]


def too_late(*_: Any, **__: Any) -> Any:
    return datetime(9999, 12, 31, tzinfo=UTC) + timedelta(days=1)


def too_deep(*_: Any, **__: Any) -> Any:
    return too_deep()


def not_sendable(*_: Any) -> Any:
    raise ValidationError({"tags": ["Not a valid string."]})


@pytest.mark.parametrize("breaks", [no_id, too_late, too_deep, not_sendable])
@pytest.mark.parametrize("step", ["read_session", "prepare", "place", "check_unchanged", "mark_alone"])
def test_an_unexpected_failure_of_one_session_is_its_outcome_alone(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, step: str, breaks: Callable[..., Any]
) -> None:
    services.takes_batches = services.takes_batches and step not in ("read_session", "mark_alone")
    usual = getattr(batch_module, step)

    def sometimes(item: Any, *others: Any) -> Any:
        name = item if isinstance(item, str) else getattr(item, "session", item).session_id
        return breaks() if name == IDS[3] else usual(item, *others)

    monkeypatch.setattr(batch_module, step, sometimes)
    broken = batch(state)
    broken.run(IDS[:10])
    assert sorted(broken.archived) == sorted({*IDS[:10]} - {IDS[3]})
    assert set(broken.failed) == {IDS[3]}
    reason = broken.failed[IDS[3]]
    assert "tags" in reason if breaks is not_sendable else "unexpected" in reason
    assert "archival" not in reason  # no path of the machine


@pytest.mark.parametrize("breaks", [no_id, too_late, too_deep])
@pytest.mark.parametrize("step", ["ensure_policy", "store", "_slices"])
def test_a_batch_whose_code_fails_unexpectedly_still_has_a_result(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, step: str, breaks: Callable[..., Any]
) -> None:
    monkeypatch.setattr(Batch if step == "_slices" else batch_module, step, breaks)
    broken = batch(state)
    broken.run(IDS)
    assert set(broken.failed) == set(IDS)
    assert not broken.unsettled
    assert all("unexpected" in reason for reason in broken.failed.values())


@pytest.mark.parametrize("error", [RedisError("READONLY"), RedisConnectionError("gone"), SoftTimeLimitExceeded()])
@pytest.mark.parametrize(
    "step", ["read_together", "prepare", "store", "place", "count_together", "check_unchanged", "mark_together"]
)
def test_what_concerns_all_sessions_ends_the_attempt(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    def ends(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(batch_module, step, ends)
    ended = batch(state)
    with pytest.raises(type(error)):
        ended.run(IDS[:3])
    assert not ended.failed


@pytest.mark.parametrize("failing", [[], IDS[:1], IDS[2:5]])
def test_the_log_counts_the_sessions_of_a_batch_that_failed_as_a_warning(
    state: Sweeps,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: list[str],
) -> None:
    services.takes_batches = False
    usual = batch_module.read_session
    monkeypatch.setattr(batch_module, "read_session", lambda one: no_id() if one in failing else usual(one))
    ended = batch(state)
    ended.run(IDS[:10])
    ended.tell()
    told = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    assert len(told) == bool(failing)
    for line in told:
        counted = f"{len(failing)} session{'s' * (len(failing) > 1)} failed, {10 - len(failing)} archived, 0 skipped."
        assert line.startswith(f"{counted} Why: unexpected")
        assert "mgw sweeps show one" in line


@pytest.mark.parametrize("services", ["together"], indirect=True)
def test_what_each_session_got_of_a_mark_together_is_its_outcome(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[IntegrationError | None] = [None, Refused("gone on", status=409), ServiceUnavailable("busy"), None]
    monkeypatch.setattr(batch_module, "mark_together", lambda _: answers)
    monkeypatch.setattr(batch_module, "check_marked", storing.check_marked)
    monkeypatch.setattr(storing, "read_session", lambda one: SessionInfo(one, "m", now(), SessionStatus.ACTIVE))
    ended = batch(state)
    ended.run(IDS[:4])
    assert (ended.archived, [*ended.skipped], [*ended.unsettled]) == ([IDS[0], IDS[3]], [IDS[1]], [IDS[2]])
    assert "went on" in ended.skipped[IDS[1]]


@pytest.mark.parametrize("services", ["together"], indirect=True)
@pytest.mark.parametrize(("error", "waits"), [(ConnectionError("away"), True), (not_sendable, False)])
def test_sessions_that_could_not_be_marked_together_wait_or_are_marked_alone(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, error: Any, waits: bool
) -> None:
    def fails(_: Any) -> Any:
        raise error if isinstance(error, Exception) else error()

    monkeypatch.setattr(batch_module, "mark_together", fails)
    ended = batch(state)
    ended.run(IDS[:4])
    assert ([*ended.unsettled], ended.archived) == ((IDS[:4], []) if waits else ([], IDS[:4]))


@pytest.mark.parametrize("placed", [[], IDS[:2], IDS[:4]])
def test_only_what_was_not_placed_with_its_storing_is_placed_afterwards(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, placed: list[str]
) -> None:
    did = list[str]()
    under_policy(placed, monkeypatch)
    monkeypatch.setattr(batch_module, "ensure_policy", lambda policy: did.append("policy") or policy.policy_id)
    monkeypatch.setattr(batch_module, "place", lambda item, archive_id, policy_id: did.append(item.session.session_id))
    ended = batch(state)
    ended.run(IDS[:4])
    left = [one for one in IDS[:4] if one not in placed]
    assert did == ([*["policy"], *left] if left else [])
    assert sorted(ended.archived) == IDS[:4]


def test_a_policy_that_cannot_be_made_fails_those_alone_that_are_not_under_it(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_policy(IDS[:2], monkeypatch)
    monkeypatch.setattr(batch_module, "ensure_policy", no_id)
    ended = batch(state)
    ended.run(IDS[:4])
    assert (sorted(ended.archived), sorted(ended.failed)) == (IDS[:2], IDS[2:4])


@pytest.mark.parametrize("services", ["together"], indirect=True)
def test_sessions_are_read_a_few_together_and_those_left_out_alone(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, prepared = list[str](), dict[str, Any]()
    monkeypatch.setattr(batch_module, "READ_TOGETHER", 4)
    monkeypatch.setattr(batch_module, "read_session", lambda one: alone.append(one) or services.read(one))
    usual_read, usual_prepare = services.read_many, batch_module.prepare

    def without_one(ids: Sequence[str], cutoff: datetime) -> list[Known]:
        return [Known(IDS[2]) if one.session_id == IDS[2] else one for one in usual_read(ids, cutoff)]

    def prepare(session: SessionInfo, *others: Any) -> Prepared:
        prepared[session.session_id] = others[-1]
        return usual_prepare(session, *others)

    monkeypatch.setattr(batch_module, "read_together", without_one)
    monkeypatch.setattr(batch_module, "prepare", prepare)
    services.nodes = {IDS[1]: ["node"]}
    ended = batch(state)
    ended.run(IDS[:6])
    assert services.read_together == [IDS[:4], IDS[4:6]]
    assert alone == [IDS[2]]
    assert [one for one, nodes in prepared.items() if nodes] == [IDS[1]]
    assert ended.archived == IDS[:6]


@pytest.mark.parametrize("services", ["together"], indirect=True)
@pytest.mark.parametrize("step", ["read_together", "count_together"])
def test_sessions_wait_while_nothing_responds_to_what_they_need_together(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def away(*_: Any) -> Any:
        raise ConnectionError("away")

    under_policy(IDS[:4], monkeypatch)
    monkeypatch.setattr(batch_module, step, away)
    ended = batch(state)
    ended.run(IDS[:4])
    assert ([*ended.unsettled], ended.archived) == (IDS[:4], [])


def under_policy(session_ids: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the vault place these under their policy when it stores them."""
    usual = batch_module.store

    def store(*given: Any, **options: Any) -> Stored:
        done = usual(*given, **options)
        done.placed.update(session_ids)
        return done

    monkeypatch.setattr(batch_module, "store", store)


@pytest.mark.parametrize("services", ["together"], indirect=True)
def test_only_a_session_that_is_under_its_policy_already_is_counted_with_others(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = dict[str, int | None]()
    under_policy(IDS[:2], monkeypatch)
    monkeypatch.setattr(
        batch_module, "check_unchanged", lambda item, count: counts.update({item.session.session_id: count})
    )
    batch(state).run(IDS[:4])
    assert counts == {IDS[0]: 1, IDS[1]: 1, IDS[2]: None, IDS[3]: None}


@pytest.mark.parametrize("services", ["together"], indirect=True)
def test_on_the_last_attempt_each_session_is_read_and_counted_alone(
    state: Sweeps, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "count_together", no_id)
    under_policy(IDS[:4], monkeypatch)
    ended = batch(state, is_last_attempt=True)
    ended.run(IDS[:4])
    assert services.read_together == []
    assert ended.archived == IDS[:4]
