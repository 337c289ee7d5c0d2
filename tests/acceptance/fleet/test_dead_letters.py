"""Dead letters sent again: one effect, the rest of the chain, and no guess where nobody knows what happened."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import chain
from click.testing import CliRunner, Result
from memory_graph_workers.cli.main import mgw
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.delivery.dead_letters.store import DeadLetter, DeadLetters, Reason
from memory_graph_workers.schemas.fields import format_timestamp
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.registry import track_usage, update_session_status
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.tasks.vault import delete_archive
from support.our_app import KEYS
from support.waiting import until

REPORT = {"prompt_tokens": 10, "completion_tokens": 20}
TRACK = "memory_graph.registry.track_usage"


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(mgw, ["dead", *arguments], input=stdin)


def told(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json", stdin=stdin).stdout)


@pytest.fixture
def letters(fleet: Stack) -> Iterator[DeadLetters]:
    letters = DeadLetters(connections.redis(), KEYS)
    yield letters
    for letter in letters.all():
        letters.remove(letter.id)


@pytest.fixture
def session_id(letters: DeadLetters) -> str:
    """A session that the Registry does not know yet."""
    return f"s-{uuid4()}"


@pytest.fixture
def failed(letters: DeadLetters, session_id: str) -> str:
    """The letter of a usage report whose session nobody had registered."""
    sent = track_usage.delay(session_id=session_id, **REPORT)
    until(lambda: letters.get(sent.id))
    return sent.id


@pytest.fixture
def put(letters: DeadLetters, session_id: str) -> Callable[..., str]:
    """Put a letter of a usage report there by hand."""

    def add(reason: Reason, **changes: Any) -> str:
        letter_id = str(uuid4())
        payload = {"args": [], "kwargs": {"report": {"session_id": session_id, **REPORT}}}
        fields = {"queue": "memory_graph.registry", "task": TRACK, "payload": payload, **changes}
        letters.add(DeadLetter(letter_id, reason, **fields))
        return letter_id

    return add


def tokens(registry: RegistryClient, session_id: str) -> int:
    return registry.get_session_usage(session_id).total_tokens


def test_a_replay_has_its_effect_once_and_ends_the_letter(
    registry: RegistryClient, letters: DeadLetters, failed: str, session_id: str
) -> None:
    registry.register_session(SessionRegistration(session_id, "m"))
    whole = letters.get(failed)
    assert run("replay", failed).exit_code == 0
    until(lambda: tokens(registry, session_id) == 30)
    assert letters.get(failed) is None
    assert whole is not None
    letters.add(whole)  # as if the first replay had been killed before it forgot the letter
    assert run("replay", failed).exit_code == 0
    app.send_task("memory_graph.registry.get_session", ["x"], task_id=(last := str(uuid4())))
    until(lambda: letters.get(last))
    assert tokens(registry, session_id) == 30


def test_usage_that_comes_before_its_session_is_counted_once_without_a_letter(
    registry: RegistryClient, letters: DeadLetters, session_id: str
) -> None:
    sent = track_usage.delay(session_id=session_id, **REPORT)
    with UsageReporter() as reporter:
        key = reporter.report(session_id=session_id, **REPORT)
    time.sleep(1)  # both have had their first 404
    registry.register_session(SessionRegistration(session_id, "m"))
    until(lambda: tokens(registry, session_id) == 60)
    assert [letters.get(one) for one in (sent.id, key)] == [None, None]


def test_a_status_that_comes_before_its_session_waits_for_it_without_a_letter(
    registry: RegistryClient, letters: DeadLetters, session_id: str
) -> None:
    sent = update_session_status.delay(session_id, SessionStatus.COMPLETED)
    time.sleep(1)  # it has had its first 404
    registry.register_session(SessionRegistration(session_id, "m"))
    until(lambda: registry.get_session(session_id).status is SessionStatus.COMPLETED)
    assert letters.get(sent.id) is None


def test_a_delete_before_its_time_says_in_its_letter_until_when_the_archive_is_kept(
    vault: VaultClient, letters: DeadLetters, session_id: str
) -> None:
    kept_until = vault.archive_session(ArchiveEntry(session_id, {}, 365, id=session_id)).kept_until
    sent = delete_archive.delay(session_id)
    until(lambda: letters.get(sent.id))
    assert kept_until is not None
    moment = format_timestamp(kept_until)
    shown = told("show", sent.id)
    assert shown["fields"] == {"reason": "retention_not_over", "kept_until": moment}
    sentence = f"kept until {moment}: retention is not over"
    assert sentence in shown["message"]
    assert sentence in run("list", "--all").stdout
    assert all(part in run("show", sent.id).stdout for part in (sentence, "retention_not_over"))


def test_a_letter_that_is_gone_says_so(failed: str) -> None:
    assert run("purge", failed, "--yes").exit_code == 0
    again = run("replay", failed)
    assert again.exit_code == 1
    assert "There is no dead letter" in again.stderr


def test_a_replay_goes_on_with_the_chain(registry: RegistryClient, letters: DeadLetters, session_id: str) -> None:
    sent = chain(
        track_usage.si(session_id=session_id, **REPORT),
        update_session_status.si(session_id, SessionStatus.COMPLETED),
    ).apply_async()
    until(lambda: letters.get(sent.parent.id))
    registry.register_session(SessionRegistration(session_id, "m"))
    assert run("replay", "--task", "*.track_usage", "--newer-than", "1h", "--yes").exit_code == 0
    until(lambda: registry.get_session(session_id).status is SessionStatus.COMPLETED)
    assert tokens(registry, session_id) == 30


def test_a_replay_that_fails_again_is_a_letter_again(letters: DeadLetters, failed: str) -> None:
    before = letters.get(failed)
    assert run("replay", failed).exit_code == 0
    until(lambda: (letter := letters.get(failed)) and before and letter.failed_at > before.failed_at)


def test_corrected_parameters_are_checked_and_go_under_an_id_of_their_own(
    registry: RegistryClient, letters: DeadLetters, put: Callable[..., str], session_id: str
) -> None:
    registry.register_session(SessionRegistration(session_id, "m"))
    bad = put(Reason.INVALID_PAYLOAD)
    wrong = told("replay", bad, "--corrected", "-", stdin='{"session_id": "s", "prompt_tokens": -1}')
    assert "prompt_tokens" in wrong["left"][bad]
    right = {"session_id": session_id, **REPORT, "idempotency_key": bad}
    done = told("replay", bad, "--corrected", "-", stdin=json.dumps(right))
    assert done["done"][0]["task_id"] != bad
    until(lambda: tokens(registry, session_id) == 30)
    assert letters.get(bad) is None


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.UNCERTAIN, None),
        (Reason.ATTEMPTS_EXHAUSTED, 503),
        (Reason.LOST_WORKER, None),
        (Reason.HARD_TIME_LIMIT, None),
        (Reason.FAILED, None),
    ],
)
def test_no_correction_where_the_first_attempt_may_have_taken_effect(
    letters: DeadLetters, put: Callable[..., str], reason: Reason, status: int | None
) -> None:
    letter_id = put(reason, status=status)
    told_ = told("replay", letter_id, "--corrected", "-", stdin=json.dumps({"session_id": "s", **REPORT}))
    assert "not known" in told_["left"][letter_id]
    assert letters.get(letter_id) is not None


def test_usage_that_may_be_counted_is_repeated_only_where_repeats_are_recognised_or_on_purpose(
    registry: RegistryClient,
    letters: DeadLetters,
    put: Callable[..., str],
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.register_session(SessionRegistration(session_id, "m"))
    first, second = put(Reason.UNCERTAIN), put(Reason.LOST_WORKER)
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", "false")
    assert set(told("replay", first, second)["left"]) == {first, second}
    assert told("replay", first, "--even-if-done")["left"] == {}
    monkeypatch.setenv("REGISTRY_HONOURS_IDEMPOTENCY", "true")
    assert told("replay", second)["left"] == {}
    until(lambda: tokens(registry, session_id) == 60)


def test_what_is_no_task_or_unknown_here_stays(letters: DeadLetters, put: Callable[..., str]) -> None:
    unknown = put(Reason.UNKNOWN_TASK, task="memory_graph.registry.of_tomorrow")
    junk = letters.quarantine(b"not json", "memory_graph.registry")
    left = told("replay", unknown, junk)["left"]
    assert "Deploy the release" in left[unknown]
    assert "only bytes" in left[junk]
    assert letters.count() == 2


def test_letters_are_chosen_by_task_reason_error_and_age(letters: DeadLetters, put: Callable[..., str]) -> None:
    usage, junk = put(Reason.FAILED, error="ApiError"), letters.quarantine(b"x", "q")

    def chosen(*options: str) -> set[str]:
        return {letter["id"] for letter in told("list", "--all", *options)["letters"]}

    assert chosen() == {usage, junk}
    assert chosen("--task", "*.track_usage") == chosen("--error", "Api*") == chosen("--reason", "failed") == {usage}
    assert chosen("--older-than", "1h") == set()
    assert chosen("--newer-than", "1h", "--reason", "broken_envelope") == chosen(junk) == {junk}


def test_nothing_is_removed_without_a_choice_and_a_yes(letters: DeadLetters, put: Callable[..., str]) -> None:
    put(Reason.FAILED)
    assert [run("purge").exit_code, run("purge", "--all").exit_code, run("replay").exit_code] == [2, 2, 2]
    assert letters.count() == 1
    assert run("purge", "--all", "--yes").exit_code == 0
    assert letters.count() == 0
