"""The demo's check finds what is wrong: each kind of damage shows in a figure of its own."""

import os

import pytest
from memory_graph_workers.cli.demo.conversations import Conversation, Message
from memory_graph_workers.cli.demo.ledger import Entry, Kind
from memory_graph_workers.cli.demo.producer import fill
from memory_graph_workers.cli.demo.verification import Verifier, read_only
from memory_graph_workers.cli.stack.directory import temporary_directory
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.jcs import FORM, content_digest
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks.archival.session import archive_id_of, conversation

SAID = (Message("user", "How many?"), Message("assistant", "Forty-two."))
CONVERSATIONS = [Conversation("c-1", "m:1", "", "", SAID)]


class Rig:
    """Real services with one session, which a test archives by hand, rightly or wrongly."""

    def __init__(self, stack, kind):
        self.registry = RegistryClient(RegistryConfig.from_env(stack.environ))
        self.vault = VaultClient(VaultConfig.from_env(stack.environ))
        self.graph = MemoryGraphClient(MemoryGraphConfig.from_env(stack.environ))
        self._verifier = Verifier(self.registry, self.vault, self.graph, read_only(stack.directory / "vault.db"))
        self.session_id = self.graph.create_session().id
        [usage] = fill(self.graph, self.session_id, CONVERSATIONS[0])
        self.entry = Entry(0, self.session_id, kind, 1, usage.prompt_tokens, usage.completion_tokens)
        self.registry.register_session(SessionRegistration(self.session_id, "m:1"))
        self.report_usage()
        if kind.status is not SessionStatus.ACTIVE:
            self.registry.update_session_status(self.session_id, kind.status)

    def report_usage(self):
        tokens = (self.entry.prompt_tokens, self.entry.completion_tokens)
        self.registry.track_usage(UsageReport(self.session_id, *tokens))

    def data(self):
        return conversation(self.session_id, list(self.graph.iter_nodes(self.session_id)))

    def store(self, data, revision=None, digest_of=None):
        archive_id = archive_id_of(self.session_id, revision)
        proof = {"digest": content_digest(data if digest_of is None else digest_of), "digest_form": FORM}
        self.vault.archive_session(ArchiveEntry(self.session_id, data, 365, id=archive_id, metadata=proof))

    def mark(self):
        self.registry.update_session_status(self.session_id, SessionStatus.ARCHIVED)

    def figures(self):
        figures = self._verifier.figures(CONVERSATIONS, [self.entry]).as_json()
        self.registry.delete_session(self.session_id)
        return {name: value for name, value in figures.items() if value}


@pytest.fixture(scope="module")
def stack():
    before = dict(os.environ)
    with temporary_directory(keep_logs=False) as (directory, children):
        stack = Stack(children, directory, {})
        stack.start_services()
        yield stack
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def due(stack):
    return Rig(stack, Kind.AGED)


GOOD = {"sessions": 1, "registered": 1, "usage_reports": 1, "due": 1, "archived": 1, "verified": 1, "ok": True}


def but(**figures):
    """The good figures with some others; `ok` is then false, and what is 0 is left out."""
    changed = {**GOOD, **figures, "ok": False}
    return {name: value for name, value in changed.items() if value}


def test_an_archive_that_is_right_is_verified(due):
    due.store(due.data())
    due.mark()
    assert due.figures() == GOOD


@pytest.mark.parametrize("kind", ["prompts", "responses"])
def test_one_changed_character_is_a_mismatch(due, kind):
    data = due.data()
    data[kind][0]["content"] += " "
    due.store(data)
    due.mark()
    assert due.figures() == but(verified=0, mismatched=1)


def test_a_lost_response_is_a_mismatch(due):
    due.store({**due.data(), "responses": []})
    due.mark()
    assert due.figures() == but(verified=0, mismatched=1)


def test_an_archive_older_than_the_graph_is_a_mismatch(due):
    due.store(due.data())
    due.mark()
    due.graph.add_prompt(due.session_id, "One more thing.")
    assert due.figures() == but(verified=0, mismatched=1)


def test_an_archive_with_another_digest_than_its_content_is_a_mismatch(due):
    due.store(due.data(), digest_of={})
    due.mark()
    assert due.figures() == but(verified=0, mismatched=1)


def test_an_archive_that_is_not_there_is_missing(due):
    due.mark()
    assert due.figures() == but(verified=0, missing=1)


def test_a_session_that_is_not_marked_is_not_archived(due):
    due.store(due.data())
    assert due.figures() == but(archived=0)


def test_a_second_archive_of_a_session_is_a_duplicate(due):
    due.store(due.data())
    due.store(due.data(), revision="another")
    due.mark()
    assert due.figures() == but(duplicated=1)


def test_usage_counted_twice_is_seen(due):
    due.store(due.data())
    due.report_usage()
    due.mark()
    assert due.figures() == but(usage_reports=2, usage_mismatched=1)


@pytest.mark.parametrize("kind", [Kind.FRESH, Kind.OPEN])
def test_an_archive_of_a_session_that_was_not_due_is_seen(stack, kind):
    rig = Rig(stack, kind)
    rig.store(rig.data())
    assert rig.figures() == but(due=0, archived=0, verified=0, not_due_archived=1)


def test_a_session_that_the_registry_lost_is_seen(due):
    due.store(due.data())
    due.registry.delete_session(due.session_id)
    assert due.figures() == but(registered=0, usage_reports=0, archived=0)
