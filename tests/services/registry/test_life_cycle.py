"""Sessions that go on after their end: whatever the order and number of messages about them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from memory_graph_workers.services.registry.app import make_app, prepare
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.registry.records import IdempotentResponse
from sqlalchemy import delete

START = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = ["completed", "failed"]


class Clock:
    """The Registry's time, which each look moves on."""

    def __init__(self):
        self.time = START

    def __call__(self):
        self.time += timedelta(seconds=1)
        return self.time


class Registry:
    """The real service in this process, on SQLite, with a clock of the test's."""

    def __init__(self, folder):
        self.now = clock = Clock()

        class Config(RegistryServiceConfig):
            def now(self):
                return clock()

        config = Config(own_database_url=f"sqlite:///{folder}/registry.db")
        prepare(config)
        self.app = make_app(config, 1)
        self.client = self.app.test_client()

    def register(self, session_id):
        body = {"session_id": session_id, "model_id": "m", "started_at": START.isoformat()}
        return self.client.post("/api/v1/sessions", json=body, headers={"Idempotency-Key": f"register-{session_id}"})

    def move(self, session_id, status, **fields):
        return self.client.put(f"/api/v1/sessions/{session_id}/status", json={"status": status, **fields})

    def reopen(self, session_id, key=None, **query):
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post(f"/api/v1/sessions/{session_id}/reopen", query_string=query, headers=headers)

    def read(self, session_id):
        return self.client.get(f"/api/v1/sessions/{session_id}").json

    def forget_keys(self):
        self.app.extensions["storage"].write(lambda session: session.execute(delete(IdempotentResponse)))


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"))
    yield made
    made.app.extensions["storage"].close()


@pytest.fixture
def opened(in_process):
    """A session that is registered."""
    session_id = uuid4().hex
    assert in_process.register(session_id).status_code == 201
    return session_id


def text(moment):
    return moment.isoformat()


# What any client may rely on


@pytest.mark.parametrize("path", [["completed"], ["failed"], ["completed", "archived"], ["failed", "archived"]])
def test_an_ended_session_is_active_again_once_reopened(in_process, opened, path):
    for status in path:
        in_process.move(opened, status)
    answer = in_process.reopen(opened)
    assert (answer.status_code, answer.json["status"], answer.json["ended_at"]) == (200, "active", None)
    assert in_process.move(opened, "completed").json["status"] == "completed"


def test_reopening_an_active_session_changes_nothing(in_process, opened):
    before = in_process.read(opened)
    assert in_process.reopen(opened).json == before == in_process.read(opened)


def test_a_session_that_is_not_registered_cannot_be_reopened(in_process):
    assert in_process.reopen(uuid4().hex).status_code == 404


@pytest.mark.parametrize("again", ENDS)
def test_reopening_again_under_its_key_changes_nothing(in_process, opened, again):
    in_process.move(opened, "completed")
    first = in_process.reopen(opened, "key-" + opened)
    in_process.move(opened, again)
    assert in_process.reopen(opened, "key-" + opened).json == first.json
    assert in_process.read(opened)["status"] == again


def test_a_key_of_another_session_reopens_nothing(in_process, opened):
    in_process.reopen(opened, "key-" + opened)
    other = uuid4().hex
    in_process.register(other)
    in_process.move(other, "completed")
    assert in_process.reopen(other, "key-" + opened).status_code == 409
    assert in_process.read(other)["status"] == "completed"


@pytest.mark.parametrize("change", ["reopened", "ended again", "nothing"])
def test_archiving_names_the_end_that_it_knows(in_process, opened, change):
    known = in_process.move(opened, "completed").json["ended_at"]
    if change != "nothing":
        in_process.reopen(opened)
    if change == "ended again":
        in_process.move(opened, "completed")
    answer = in_process.move(opened, "archived", if_ended_at=known)
    assert answer.status_code == (200 if change == "nothing" else 409)
    status = {"reopened": "active", "nothing": "archived"}.get(change, "completed")
    assert in_process.read(opened)["status"] == status
    if change != "nothing":
        assert (answer.json["reason"], answer.json["session_status"]) == ("session_went_on", status)


def test_usage_of_an_archived_session_is_counted_and_reopens_nothing(in_process, opened):
    in_process.move(opened, "completed")
    archived = in_process.move(opened, "archived").json
    report = {"session_id": opened, "prompt_tokens": 3, "completion_tokens": 4}
    assert in_process.client.post("/api/v1/usage", json=report).status_code == 201
    assert in_process.read(opened) == {**archived, "prompt_count": 1, "total_tokens": 7}


@pytest.mark.parametrize("query", ["asked_at=yesterday", "asked_at=", "when=2026-01-01T00:00:00Z"])
def test_a_wrong_reopening_is_refused(in_process, opened, query):
    assert in_process.client.post(f"/api/v1/sessions/{opened}/reopen?{query}").status_code == 422


def test_a_clock_that_is_ahead_keeps_no_session_from_being_reopened(in_process, opened):
    in_process.move(opened, "completed", asked_at="2099-01-01T00:00:00Z")
    assert in_process.reopen(opened, asked_at=text(in_process.now())).json["status"] == "active"


@pytest.mark.parametrize("status", ENDS)
def test_an_end_from_before_the_reopening_says_that_it_comes_too_late(in_process, opened, status):
    before = text(in_process.now())
    in_process.move(opened, "completed")
    in_process.reopen(opened, asked_at=text(in_process.now()))
    answer = in_process.move(opened, status, asked_at=before)
    facts = [answer.json[name] for name in ("code", "reason", "session_status")]
    assert (answer.status_code, facts) == (409, [409, "asked_too_early", "active"])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("before", ["active", "completed", "failed", "archived"])
def test_a_reopening_from_before_an_end_without_its_time_comes_too_late(in_process, opened, before, end):
    in_process.move(opened, "completed" if before == "archived" else before)
    if before == "archived":
        in_process.move(opened, "archived")
    asked_at = text(in_process.now())
    in_process.move(opened, end)
    assert in_process.reopen(opened, asked_at=asked_at).json["status"] == end


@pytest.mark.parametrize("end", ENDS)
def test_a_reopening_from_after_an_end_without_its_time_counts(in_process, opened, end):
    in_process.move(opened, end)
    assert in_process.reopen(opened, asked_at=text(in_process.now())).json["status"] == "active"


@pytest.mark.parametrize("status", ENDS)
def test_an_end_from_before_a_reopening_without_its_time_comes_too_late(in_process, opened, status):
    in_process.move(opened, "completed")
    before = text(in_process.now())
    in_process.reopen(opened)
    answer = in_process.move(opened, status, asked_at=before)
    assert (answer.status_code, answer.json["reason"]) == (409, "asked_too_early")


def test_messages_without_their_time_count_in_the_order_of_their_arrival(in_process, opened):
    for _ in range(3):
        assert in_process.move(opened, "completed").json["status"] == "completed"
        assert in_process.reopen(opened).json["status"] == "active"


# No order and no repetition


@dataclass(frozen=True)
class Message:
    """A message about the session, as a queue may deliver it: late, again, in any order."""

    kind: str
    asked_at: datetime
    key: str


@dataclass(frozen=True)
class Archive:
    """What a sweep stored, and the session as it read it before."""

    ended_at: str
    length: int


class Conversation(RuleBasedStateMachine):
    """A conversation that goes on and ends at any time; its messages and the sweep's come in any order.

    A plain client speaks without a queue and says no times: its messages arrive at once, perhaps twice in a row.
    """

    def __init__(self, registry):
        super().__init__()
        self.registry, self.session_id = registry, uuid4().hex
        self.length = 0
        self.told: list[Message] = []
        self.open: list[Message] = []
        self.archives: list[Archive] = []
        self.lag = timedelta()
        self.going_on, self.last_end = True, ""

    @initialize(lag_hours=st.sampled_from([0, 1, 24]))
    def start(self, lag_hours):
        self.lag = timedelta(hours=lag_hours)  # of the producer's clock
        self.tell("register")

    def tell(self, kind):
        message = Message(kind, self.registry.now() - self.lag, f"{self.session_id}-{len(self.told)}")
        self.told.append(message)
        self.open.append(message)

    def tell_plainly(self, kind, copies):
        """Tell of an end or a reopening without its time, unless a client's clock could not be compared with it."""
        if self.lag or "session_id" not in self.registry.read(self.session_id):
            self.tell(kind)
            return
        for _ in range(copies):
            if kind == "reopen":
                self.registry.reopen(self.session_id)
            else:
                self.registry.move(self.session_id, kind)

    @precondition(lambda self: self.going_on)
    @rule(length=st.integers(1, 3))
    def say(self, length):
        self.length += length
        self.tell("active")

    @precondition(lambda self: self.going_on)
    @rule(end=st.sampled_from(ENDS))
    def end(self, end):
        self.going_on, self.last_end = False, end
        self.tell(end)

    @precondition(lambda self: not self.going_on)
    @rule()
    def go_on(self):
        self.going_on = True
        self.length += 1
        self.tell("reopen")

    @precondition(lambda self: self.going_on)
    @rule(end=st.sampled_from(ENDS), copies=st.integers(1, 2))
    def end_plainly(self, end, copies):
        self.going_on, self.last_end = False, end
        self.tell_plainly(end, copies)

    @precondition(lambda self: not self.going_on)
    @rule(copies=st.integers(1, 2))
    def go_on_plainly(self, copies):
        self.going_on = True
        self.length += 1
        self.tell_plainly("reopen", copies)

    @rule(data=st.data())
    def deliver(self, data):
        self.send(data.draw(st.sampled_from(self.told)))

    @rule()
    def sweep_stores(self):
        found = self.registry.read(self.session_id)
        if found.get("status") in ENDS:
            self.archives.append(Archive(found["ended_at"], self.length))

    @precondition(lambda self: self.archives)
    @rule(data=st.data())
    def sweep_marks(self, data):
        self.mark(data.draw(st.sampled_from(self.archives)))

    @rule()
    def the_keys_lapse(self):
        self.registry.forget_keys()

    @invariant()
    def it_has_an_end_unless_it_is_active(self):
        found = self.registry.read(self.session_id)
        if "session_id" in found:
            assert (found["ended_at"] is None) == (found["status"] == "active")

    def send(self, message):
        """Deliver a message; one that is refused because the session is not registered comes again later."""
        asked_at = text(message.asked_at)
        if message.kind == "register":
            answer = self.registry.register(self.session_id)
        elif message.kind == "reopen":
            answer = self.registry.reopen(self.session_id, message.key, asked_at=asked_at)
        else:
            answer = self.registry.move(self.session_id, message.kind, asked_at=asked_at)
        assert answer.status_code in (200, 201, 404, 409), answer.text
        if answer.status_code != 404 and message in self.open:
            self.open.remove(message)

    def mark(self, archive):
        self.registry.move(self.session_id, "archived", if_ended_at=archive.ended_at)

    def teardown(self):
        """Deliver what is still open; then the session is as its conversation, and the next sweep archives the rest."""
        while self.open:
            for message in reversed(self.open[:]):
                self.send(message)
        if not self.told:
            return
        self.check()
        for archive in self.archives:
            self.mark(archive)
        for message in self.told:
            self.send(message)
        self.check()
        self.sweep_stores()
        for archive in self.archives:
            self.mark(archive)
        self.check()
        assert self.registry.read(self.session_id)["status"] == ("active" if self.going_on else "archived")

    def check(self):
        status = self.registry.read(self.session_id)["status"]
        if self.going_on:
            assert status == "active"
        elif status == "archived":
            assert max(archive.length for archive in self.archives) == self.length
        else:
            assert status == self.last_end


def test_no_order_of_messages_loses_a_conversation_that_went_on(in_process):
    run_state_machine_as_test(
        lambda: Conversation(in_process), settings=settings(max_examples=50, stateful_step_count=20, deadline=None)
    )
