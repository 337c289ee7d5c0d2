"""What earlier releases kept is read by this one: their databases, their messages, their dead letters.

Each folder here that is named after a version holds the samples of that release, made by `make release-samples`.
"""

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from memory_graph_workers.cli.main import mgw as command
from memory_graph_workers.cli.stack.directory import temporary_directory
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.delivery import DeadLetters, Reason
from memory_graph_workers.schemas.registry import UsageReport
from memory_graph_workers.tasks.app import app
from redis import Redis
from releases.dumps import load
from releases.filling import ARCHIVE, KEY, KEYED, REGISTRATION, read
from releases.messages import is_idle, push, restore_letters
from releases.release_stack import SERVICES, Clients, ReleaseStack, database_setting
from support import forked
from support.broker import Broker
from support.broker import broker as broker
from support.embedded import embedded
from support.our_app import KEYS, stores_at
from support.postgres import Postgres
from support.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RELEASES = sorted(path.name for path in HERE.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", path.name))
LARGEST_BYTES = 500_000


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> Path:
    """The folder of an earlier release."""
    return HERE / request.param


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@contextmanager
def empty_databases(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    if kind == "sqlite":
        yield {name: f"sqlite:///{folder}/{name}.db" for name in SERVICES}
        return
    server = Postgres(folder / "postgres")
    yield {name: server.new_database() for name in SERVICES}
    server.stop()


def mgw(*arguments: str, code: int = 0, **environ: str) -> Any:
    """What a command of today prints, as JSON."""
    done = forked.mgw(*arguments, "--json", environ={**os.environ, **environ})
    assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def migrate(release: Path, kind: str, databases: Mapping[str, str]) -> None:
    """Load a release's dumps, and migrate them as an operator does."""
    for name, url in databases.items():
        load(url, (release / f"{name.replace('-', '_')}.{kind}.sql").read_text())
    named = {database_setting(name): url for name, url in databases.items()}
    reports = mgw("migrate", **named)["services"]
    assert [(one["service"], one["error"], bool(one["found"])) for one in reports] == [
        (n, None, True) for n in SERVICES
    ]
    assert all(one["found"] == one["wanted"] for one in mgw("migrate", "--check", **named)["services"])


@pytest.fixture(scope="module")
def upgraded(release: Path, kind: str) -> Iterator[ReleaseStack]:
    """Today's services on the migrated databases of a release."""
    # Not in pytest's folder: root's pytest closes that to other users, and PostgreSQL is not run by root.
    with (
        TemporaryDirectory(prefix="mgw-release-") as folder,
        empty_databases(kind, Path(folder)) as databases,
        temporary_directory(keep_logs=False) as (directory, children),
    ):
        migrate(release, kind, databases)
        stack = ReleaseStack(children, directory, databases)
        stack.start_services()
        yield stack


@pytest.fixture
def clients(upgraded: ReleaseStack) -> Iterator[Clients]:
    with Clients(upgraded.environ) as clients:
        yield clients


@pytest.fixture(scope="module")
def told(release: Path, kind: str) -> dict[str, Any]:
    """What the release's own services told of these databases, and the ids of its archives."""
    return json.loads((release / f"told.{kind}.json").read_text())


def lacks(expected: Any, found: Any, where: str = "") -> list[str]:
    """Where `found` says something else than `expected`; it may say more."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [each for key, value in expected.items() for each in lacks(value, found.get(key), f"{where}/{key}")]
    return [] if expected == found else [f"{where}: {expected!r} became {found!r}"]


def test_everything_is_told_as_before(upgraded: ReleaseStack, told: dict[str, Any]) -> None:
    found = read(upgraded, told["archives"], told["deleted"])
    assert lacks(told["told"], found) == []
    assert found["sessions"].keys() == told["told"]["sessions"].keys()


def test_repeats_of_what_an_earlier_release_took_change_nothing(clients: Clients) -> None:
    before = clients.registry.get_session_usage(KEYED.session_id).total_tokens
    clients.registry.track_usage(KEYED, idempotency_key=KEY)
    assert clients.registry.get_session_usage(KEYED.session_id).total_tokens == before == 130
    with pytest.raises(Refused, match="409"):
        clients.registry.track_usage(UsageReport(KEYED.session_id, 9, 9), idempotency_key=KEY)
    assert (
        clients.registry.register_session(REGISTRATION, idempotency_key="another").started_at == REGISTRATION.started_at
    )
    received = clients.vault.retrieve_session(ARCHIVE.id).received_at
    assert clients.vault.archive_session(ARCHIVE, idempotency_key="another").received_at == received


def test_what_was_kept_goes_on(clients: Clients) -> None:
    registry, graph = clients.registry, clients.graph
    (conversation,) = graph.list_sessions().sessions
    before = graph.count_nodes(conversation.id)
    graph.add_prompt(conversation.id, "And now?")
    assert graph.count_nodes(conversation.id) == before + 1
    registry.reopen_session("s-archived")
    registry.track_usage(UsageReport("s-archived", 3, 4))
    assert registry.get_session_usage("s-archived").total_tokens == 7
    with pytest.raises(Refused, match="409"):
        clients.vault.delete_archive("a-of-gdpr")


@pytest.fixture(scope="module")
def messages(release: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (release / "messages" / "tasks.jsonl").read_text().splitlines()]


def test_every_message_is_checked_and_accepted(messages: list[dict[str, str]]) -> None:
    for message in messages:
        envelope = json.loads(message["item"])
        args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
        headers = envelope["headers"]
        assert app.tasks[headers["task"]].parameters.received(args, kwargs, headers["id"]) is not None, message[
            "sample"
        ]


def test_a_real_worker_does_what_every_message_asks_for(release: Path, messages: list[dict[str, str]]) -> None:
    expected = json.loads((release / "messages" / "told.json").read_text())
    with embedded() as running, Redis.from_url(running.stack.environ["REDIS_URL"]) as redis:
        for message in messages:
            push(redis, [message])
            until(lambda: is_idle(redis), lambda message=message: f"{message['sample']} does not end")
        letters = [(one.task, one.reason, one.error) for one in DeadLetters(redis, KEYS).all()]
        push(redis, [message for message in messages if "track_usage" in message["sample"]])
        until(lambda: is_idle(redis))
        total = running.registry.get_session_usage(expected["session_id"]).total_tokens
    # There is no such conversation in this graph.
    assert letters == [("memory_graph.archival.archive_session", Reason.FAILED, "NotArchivable")]
    assert total == expected["total_tokens"]


def test_every_dead_letter_is_listed_and_shown_and_may_be_replayed(release: Path, broker: Broker) -> None:
    kept = json.loads((release / "messages" / "dead_letters.json").read_text())
    restore_letters(broker.redis, kept)
    with stores_at(broker.url):
        shown = [shown_of(one["id"]) for one in told_of("list", "--all")["letters"]]
    assert {one["reason"] for one in shown} == {reason for reason in Reason if f'\\"{reason}\\"' in json.dumps(kept)}
    tasks = {one["id"] for one in shown if "kwargs" in one["payload"] and one["reason"] != Reason.UNKNOWN_TASK}
    there = {"REDIS_URL": broker.url, "REGISTRY_HONOURS_IDEMPOTENCY": "true"}
    done = mgw("dead", "replay", "--all", "--even-if-expired", "--yes", code=1, **there)
    assert {one["letter_id"]: one["task_id"] for one in done["done"]} == {one: one for one in tasks}
    assert set(done["left"]) == {one["id"] for one in shown} - tasks
    assert broker.redis.llen("memory_graph.registry") == len(tasks)


def told_of(*arguments: str) -> Any:
    """What `mgw dead` prints in this process, as JSON."""
    done = CliRunner().invoke(command, ["dead", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def shown_of(letter_id: str) -> Any:
    return told_of("show", letter_id, "--payload")


def test_the_samples_stay_small(release: Path) -> None:
    assert sum(path.stat().st_size for path in release.rglob("*") if path.is_file()) < LARGEST_BYTES


def test_every_release_has_its_samples() -> None:
    released = re.findall(r"^## (\d+\.\d+\.\d+) ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert [version for version in released if version not in RELEASES] == [], "run `make release-samples`"
