"""Where conversations and keys may be, and that they are nowhere else.

A word is planted in every payload, conversation, refusal, reason and piece of junk; a whole stack (worker and
beat at level DEBUG) works on them, first with services that do as they should, then with one that quotes.

    keys            the broker's configuration file and the vault's encryption key (mode 0600), and the environment
                    of the processes; nowhere else
    conversations   the databases of Registry and Memory-Graph, and sealed in that of the Vault; in Redis the
                    queues, `unacked`, the dead letters and their quarantine (and the broker's own file of Redis);
                    the result of an operation that answers content, see ANSWERS
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.processes import Children
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.delivery.redaction import HIDDEN, SIZE
from support.canaries.fleet import ENCRYPTION_KEY, Fleet
from support.canaries.liar import Liar
from support.canaries.places import command_lines, environments, files, in_redis, page
from support.canaries.words import found_in
from support.fakes.graph_server import FakeGraph

SETTINGS = {
    "ARCHIVAL_AFTER_DAYS": "0",
    "ARCHIVAL_ENABLED": "false",
    "TASK_MAX_ATTEMPTS": "2",
    "VAULT_MAX_ENTRY_BYTES": "200000",
}
# The operations whose answer holds content, and what of it: the metadata of sessions, an archive.
ANSWERS = {
    "register_session": {"registration-metadata"},
    "get_session": {"registration-metadata"},
    "list_sessions": {"registration-metadata"},
    "chain's first": {"chain-metadata"},
    "retrieve_session": {"archive-data", "archive-tag", "archive-metadata"},
}
QUEUES = tuple(f"memory_graph.{name}" for name in ("registry", "vault", "archival", "health"))
HOLD_CONTENT = (*QUEUES, "unacked", "memory_graph:dead:letters", "memory_graph:dead:quarantine:letters")
DATABASES = re.compile(r"(registry|vault|memory-graph)\.db(-wal|-shm|-journal)?")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A stack with two acts behind it: honest services, then one that quotes, lies and breaks."""
    home = Path(tmp_path_factory.mktemp("privacy"))
    (home / "logs").mkdir()
    with Children(home / "logs") as children:
        stack = Stack(children, home, SETTINGS)
        stack.start_services()
        with Fleet(stack) as fleet:
            worker = fleet.start_worker()
            fleet.celery("beat")
            stack.start_flower()
            fleet.produce("honest", fleet.converse())
            fleet.command()
            children.stop(worker)
            details, text = fleet.plant("grpc-details"), fleet.plant("liar-conversation")
            with Liar(fleet.plant) as liar, FakeGraph(text, details) as graph:
                stack.environ |= {"REGISTRY_URL": liar.url, "VAULT_URL": liar.url, "MEMORY_GRAPH_URL": graph.url}
                fleet.start_worker()
                fleet.produce("liars")
                fleet.command()
                yield fleet


def test_flower_shows_no_word_and_no_key(fleet: Fleet) -> None:
    port, password = fleet.stack.port("flower"), fleet.stack.keys.flower
    shown = {path: page(port, path, password) for path in fleet.pages()}
    assert {path: status for path, (status, _) in shown.items() if status != expected(path)} == {}
    assert "memory_graph.vault.archive_session" in shown["/api/tasks?limit=1000"][1]
    assert "memory_graph.vault" in shown["/broker"][1]
    announced = shown[f"/api/task/info/{fleet.produced['honest']['ids']['announced']}"][1]
    assert json.loads(announced)["sent"] is not None
    found = {path: found_in(text, fleet.words | fleet.keys) for path, (_, text) in shown.items()}
    assert {path: names for path, names in found.items() if names} == {}


def test_flower_shows_the_size_of_every_task(fleet: Fleet) -> None:
    tasks = json.loads(page(fleet.stack.port("flower"), "/api/tasks", fleet.stack.keys.flower)[1]).values()
    received = [task for task in tasks if task["received"]]
    assert len(received) > 30
    assert [task["name"] for task in received if not (SIZE.fullmatch(task["args"]) and task["kwargs"] == HIDDEN)] == []


def test_flower_is_told_of_the_broker_and_its_password_alone(fleet: Fleet) -> None:
    assert found_in(environments(b"flower"), fleet.keys) == {"broker", "flower"}


def test_flower_gives_nothing_of_a_task_that_it_runs_itself(fleet: Fleet) -> None:
    port, password = fleet.stack.port("flower"), fleet.stack.keys.flower
    asked = json.dumps({"kwargs": {"archive_id": "a1"}, "timeout": 2})
    status, text = page(port, "/api/task/apply/memory_graph.vault.retrieve_session", password, asked)
    assert status >= 400
    assert found_in(text, fleet.words | fleet.keys) == set()


def expected(path: str) -> int:
    """The status of one of Flower's pages: it has no store of results."""
    return 404 if path == "/nowhere" else 503 if "/result/" in path else 200


def test_flower_shows_nothing_without_the_password_but_that_it_lives(fleet: Fleet) -> None:
    port = fleet.stack.port("flower")
    assert page(port, "/healthcheck") == (200, "OK")
    for password in (None, "wrong"):
        assert {path for path in fleet.pages() if page(port, path, password)[0] != 401} == set()


@pytest.mark.parametrize("service", ["registry", "vault"])
@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/start.js", "/health"])
def test_what_a_service_shows_to_everybody_holds_no_word_and_no_key(fleet: Fleet, service: str, path: str) -> None:
    status, text = page(fleet.stack.port(service), path)
    assert (status, found_in(text, fleet.words | fleet.keys)) == (200, set())


def test_every_word_travelled(fleet: Fleet) -> None:
    broker = b"".join(text for name, text in files(fleet.stack) if name.startswith("broker/"))
    databases = b"".join(text for name, text in files(fleet.stack) if DATABASES.fullmatch(name))
    heard = {"error-body", "error-header", "batch-reason", "listed-metadata", "grpc-details", "liar-conversation"}
    unheard = {"refused-by-producer", "argsrepr", "kwargsrepr", "shadow", "header"}
    assert set(fleet.words) - found_in(broker + databases, fleet.words) <= heard | unheard


def test_no_file_holds_a_word_but_databases_and_the_brokers_own(fleet: Fleet) -> None:
    said = {name: found_in(text, fleet.words) for name, text in files(fleet.stack)}
    assert {"logs/worker.log", "logs/beat.log", "logs/flower.log", "logs/vault.log"} < set(said)
    leaks = {name for name, found in said.items() if found and not DATABASES.fullmatch(name)}
    assert {name for name in leaks if not name.startswith("broker/appendonlydir/")} == set()


def test_the_vaults_database_holds_nothing_of_an_archive_in_the_clear(fleet: Fleet) -> None:
    kept = b"".join(text for name, text in files(fleet.stack) if name.startswith("vault.db"))
    assert found_in(kept, fleet.words) == {"policy-name", "policy-description", "policy-tag"}


def test_no_file_but_the_brokers_settings_and_the_vaults_own_holds_a_key(fleet: Fleet) -> None:
    found = {name for name, text in files(fleet.stack) if found_in(text, fleet.keys)}
    assert found == {"broker/valkey.conf", ENCRYPTION_KEY}
    assert {(fleet.stack.directory / name).stat().st_mode & 0o777 for name in found} == {0o600}


def test_no_command_line_holds_a_word_or_a_key(fleet: Fleet) -> None:
    shown = command_lines()
    assert b"memory_graph_workers.tasks.app" in shown
    assert found_in(shown, fleet.words | fleet.keys) == set()


def test_no_event_holds_a_word_or_a_key(fleet: Fleet) -> None:
    assert {"task-received", "task-succeeded", "task-failed", "task-retried", "worker-heartbeat"} <= {
        str(event["type"]) for event in fleet.events.seen
    }
    # A producer that announces what it sends is free to quote it; Flower does not repeat it.
    ours = [event for event in fleet.events.seen if event["type"] != "task-sent"]
    assert len(ours) == len(fleet.events.seen) - 1
    assert found_in(repr(ours), fleet.words | fleet.keys) == set()


def test_no_command_prints_a_word_or_a_key(fleet: Fleet) -> None:
    said = "\n".join(fleet.said)
    assert "refused by the vault" in said
    assert found_in(said, fleet.words | fleet.keys) == set()


def test_no_error_tells_the_producer_a_word_or_a_key(fleet: Fleet) -> None:
    errors = {label: text for seen in fleet.produced.values() for label, text in seen["errors"].items()}
    assert {"conflict", "too large", "wrong value", "foreign exception", "vault 422", "vault html"} <= set(errors)
    assert {label for label, text in errors.items() if found_in(text, fleet.words | fleet.keys)} == set()


def test_an_answer_holds_what_was_asked_for_and_no_more(fleet: Fleet) -> None:
    answers = {label: found_in(repr(answer), fleet.words) for label, answer in fleet.answers().items()}
    assert {label: found for label, found in answers.items() if found} == ANSWERS


def test_no_key_of_redis_holds_a_word_but_queues_dead_letters_and_answers(fleet: Fleet) -> None:
    kept = {key: found_in(text, fleet.words) for key, text in in_redis(fleet.redis)}
    assert kept["memory_graph:dead:letters"]
    assert kept["memory_graph:dead:quarantine:letters"]
    assert {key for key, found in kept.items() if found} - set(HOLD_CONTENT) - fleet.results_of(ANSWERS) == set()


def test_what_a_dead_letter_shows_without_its_payload_holds_no_word(fleet: Fleet) -> None:
    letters = fleet.letters()
    assert len(letters) > 10
    assert found_in(repr([{**vars(letter), "payload": None} for letter in letters]), fleet.words) == set()


def test_no_key_of_redis_holds_a_secret(fleet: Fleet) -> None:
    assert {key for key, text in in_redis(fleet.redis) if found_in(text, fleet.keys)} == set()
