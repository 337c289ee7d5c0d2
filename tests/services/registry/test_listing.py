"""Pages, totals and sums that read few rows: equal to what counting every row says, on both databases."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, StatusUpdate, UsageReport
from memory_graph_workers.services.database.driver import run_in
from memory_graph_workers.services.registry import sessions as registry_sessions
from memory_graph_workers.services.registry import usage as registry_usage
from memory_graph_workers.services.registry.counted import Days, Entry
from memory_graph_workers.services.registry.listing import BLOCK, Filters
from memory_graph_workers.services.registry.records import SessionRecord, UsageRecord
from sqlalchemy import and_, or_, select, text
from werkzeug.exceptions import HTTPException

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = list(SessionStatus)
MODELS = ["a/b", "c"]


def register(session, name, chance):
    started = START + timedelta(minutes=chance.randrange(10_000))
    registry_sessions.register(session, SessionRegistration(name, chance.choice(MODELS), started_at=started), START)


def report(session, name, chance):
    tokens = chance.randrange(100)
    latency = chance.choice([None, chance.randrange(1000)])
    made = UsageReport(
        session_id=name, model_id=chance.choice(["", *MODELS]), prompt_tokens=tokens, completion_tokens=tokens,
        total_tokens=2 * tokens, latency_ms=latency,
    )  # fmt: skip
    registry_usage.count(session, [Entry(made)], START + timedelta(minutes=tokens), Days(0, 0))


def act(session, names, chance):
    """Do one thing at random; what is refused changes nothing."""
    if not names or chance.random() < 0.35:
        names.append(uuid4().hex)
        register(session, names[-1], chance)
        return
    name = chance.choice(names)
    kind = chance.random()
    try:
        if kind < 0.4:
            report(session, name, chance)
        elif kind < 0.9:
            moment = START + timedelta(minutes=chance.randrange(10_000))
            registry_sessions.change_status(session, name, StatusUpdate(chance.choice(STATUSES)), moment)
        elif kind < 0.95:
            registry_sessions.reopen(session, name, None, START)
        else:
            registry_sessions.delete(session, name)
    except HTTPException:
        pass


def skip_a_block(storage, names, chance):
    """Go on in another block of numbers, by moving the newest session there."""

    def work(session):
        name = uuid4().hex
        register(session, name, chance)
        record = registry_sessions.get(session, name)
        number = record.number + BLOCK
        registry_sessions.delete(session, name)
        session.flush()
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SELECT setval('sessions_number_seq', {number})"))
        else:
            session.execute(text(f"UPDATE sqlite_sequence SET seq = {number} WHERE name = 'sessions'"))

    storage.write(work)


def naive_page(session, page, size, filters):
    wanted = []
    if filters.status:
        wanted.append(SessionRecord.status == filters.status.value)
    if filters.started_before:
        wanted.append(SessionRecord.started_at < filters.started_before)
    if filters.ended_before:
        ended = SessionRecord.ended_at < filters.ended_before
        started = SessionRecord.started_at < filters.ended_before
        wanted.append(or_(ended, and_(SessionRecord.ended_at.is_(None), started)))
    ids = session.scalars(select(SessionRecord.session_id).where(*wanted).order_by(SessionRecord.number)).all()
    return ids[(page - 1) * size : page * size], len(ids)


def naive_usage(session, wanted):
    columns = (UsageRecord.total_tokens, UsageRecord.prompt_tokens, UsageRecord.reported_at, UsageRecord.latency_ms)
    rows = session.execute(select(*columns).where(wanted)).all()
    latencies = [row.latency_ms for row in rows if row.latency_ms is not None]
    average = sum(latencies) / len(latencies) if latencies else 0
    return len(rows), sum(row.total_tokens for row in rows), sum(row.prompt_tokens for row in rows), average


def shown(stats):
    return stats.total_prompts, stats.total_tokens, stats.total_prompt_tokens, stats.avg_latency_ms


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pages_totals_and_sums_equal_a_count_of_every_row(storage, seed):
    chance, names = random.Random(seed), []
    for number in range(400):
        storage.write(lambda session: act(session, names, chance))
        if number % 40 == 0:
            skip_a_block(storage, names, chance)
    with storage.read() as session:
        for _ in range(60):
            page, size = chance.randrange(1, 6), chance.randrange(1, 60)
            status = chance.choice([None, *STATUSES])
            times = [chance.choice([None, START + timedelta(minutes=chance.randrange(10_000))]) for _ in range(2)]
            filters = Filters(status, *times)
            answer = registry_sessions.list_page(session, page, size, filters)
            found = [info.session_id for info in answer.sessions], answer.total
            assert found == naive_page(session, page, size, filters)
        for record in session.scalars(select(SessionRecord)):
            stats = registry_usage.of_session(run_in(session), record.session_id)
            assert shown(stats) == naive_usage(session, UsageRecord.session_number == record.number)
        for model in MODELS:
            assert shown(registry_usage.of_model(run_in(session), model)) == naive_usage(
                session, UsageRecord.model_id == model
            )


def test_counts_stay_right_while_many_write_at_once(start):
    registry = start("registry")

    def until_served(call, *arguments):
        """A write that waits too long for the others on a busy machine gets a 503, and was not done."""
        while (response := call(*arguments)).status == 503:
            pass
        return response

    def live(number):
        name = f"s{number % 40}"
        moved = f"/api/v1/sessions/{name}/status"
        usage = {"session_id": name, "prompt_tokens": 1, "completion_tokens": 1}
        answers = [
            until_served(registry.post, "/api/v1/sessions", {"session_id": name, "model_id": "m"}),
            until_served(registry.post, "/api/v1/usage", usage),
            until_served(registry.put, moved, {"status": ["completed", "failed"][number % 2]}),
            until_served(registry.put, moved, {"status": "archived"}),
            until_served(registry.post, f"/api/v1/sessions/{name}/reopen", ""),
        ]
        if number % 3 == 0:
            answers.append(until_served(registry.delete, f"/api/v1/sessions/{name}"))
        return {answer.status for answer in answers}, answers[1].status == 201

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(live, range(240)))
    assert set().union(*(statuses for statuses, _ in done)) <= {200, 201, 204, 404, 409}
    reported = sum(was_counted for _, was_counted in done)
    assert registry.get("/api/v1/models/m/usage").json["total_prompts"] == reported
    everything = registry.get("/api/v1/sessions?page_size=1000").json
    assert everything["total"] == len(everything["sessions"])
    for status in STATUSES:
        query = f"page_size=1000&status={status}&ended_before=9999-01-01T00:00:00Z"
        found = registry.get(f"/api/v1/sessions?{query}").json
        ids = [one["session_id"] for one in everything["sessions"] if one["status"] == status]
        assert ([one["session_id"] for one in found["sessions"]], found["total"]) == (ids, len(ids))
