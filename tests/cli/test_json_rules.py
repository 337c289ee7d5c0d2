"""Every `--json`: times in one form, and null for what there is not."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from memory_graph_workers import outbox
from memory_graph_workers.cli.main import mgw as root
from memory_graph_workers.cli.sweep import FIGURES
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Reason
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.services.vault.keys import new_key
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Sweeps
from sqlalchemy import NullPool, create_engine
from support.broker import Broker
from support.forked import mgw
from support.our_app import KEYS
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.vault_database import OLD_KEY, VaultDatabase

# The keys of times; those that end so are times, too. A new one is named here, or so that it ends so.
TIMES = {"since", "first", "last", "first_seen", "eta", "expires", "known_from"}
ENDINGS = ("_at", "_until")
RATES = {"free_at"}  # messages a second
OF_SENDERS = {"payload", "fields"}  # as whoever sent it wrote it
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
NOTHING = {"", "-", "None", "null", "unknown", "n/a"}

COMMANDS = {
    "status": [],
    "sweep": ["--now", "--no-wait"],
    "sweeps list": [],
    "sweeps show": ["one"],
    "queues": [],
    "queues hold": ["memory_graph.vault", "--reason", "it moves"],
    "queues release": ["memory_graph.archival"],
    "queues auto": ["memory_graph.archival"],
    "queues move": ["--from", "old:", "--yes"],
    "dead list": [],
    "dead show": ["1"],
    "dead replay": ["1"],
    "dead purge": ["1", "--yes"],
    "report": ["--month", f"{now():%Y-%m}"],
    "outbox": ["--once"],
    "doctor": [],
    "migrate": ["vault", "--check"],
    "vault keys": [],
    "vault rotate": [],
    "vault expire": ["--dry-run"],
    "vault deletions": [],
}
MORE = {"dead list": ["--all"], "vault expire": ["--yes"], "migrate": ["registry", "--check"]}
ELSEWHERE = {"demo"}  # takes a minute, and prints counts alone
CASES = [*COMMANDS.items(), *MORE.items()]


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")


def test_every_command_with_json_is_tried() -> None:
    having = {words for words, one in leaves(root) if any("--json" in param.opts for param in one.params)}
    assert having == {*COMMANDS, *ELSEWHERE}


@pytest.fixture
def told(broker: Broker, tmp_path: Path) -> Callable[[str, list[str]], Any]:
    """What a command prints where everything there is has something to tell."""
    state = Sweeps(broker.redis)
    state.begin("one", Trigger.MANUAL, now())
    state.keep_page("one", Page(Position(index=0), {"a": ["1", "2"]}, None))
    state.finish_batch("one", "a", ["1", "2"], BatchResult(0, failed={"1": "why"}, skipped={"2": "why"}))
    state.close("one")
    state.begin("two", Trigger.BEAT, now())
    HoldStore(broker.redis, KEYS).put("vault", 0, "it is down")
    HoldStore(broker.redis, KEYS).hold_by_hand("memory_graph.archival", "alice", "it moves")
    letters = DeadLetters(broker.redis, KEYS, Bounds(most=3))
    options = {"eta": "2999-01-01T02:00:00+02:00", "expires": "2999-01-02T00:00:00+00:00"}
    for number in (1, 2, 3, 4, 1):
        letters.add(DeadLetter(str(number), Reason.FAILED, "q", task="t", payload={"options": options, "said": ""}))
    broker.redis.hset(KEYS.failures.letters, "unreadable", "no JSON")
    broker.redis.zadd(KEYS.failures.by_time, {"unreadable": now().timestamp()})
    url = f"sqlite:///{tmp_path}/vault.db"
    fill(url)
    environ = {**os.environ, "REDIS_URL": broker.url, "VAULT_API_KEY": "key", "VAULT_KEYS": "key"}
    environ |= {"VAULT_DATABASE_URL": url, "VAULT_ENCRYPTION_KEYS": f"{new_key()},{OLD_KEY}"}
    environ |= {"REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path}/registry.db"}
    environ |= {"OUTBOX_DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    outbox.create(create_engine(environ["OUTBOX_DATABASE_URL"], poolclass=NullPool))

    def run(words: str, more: list[str]) -> Any:
        done = mgw(*words.split(), *more, "--json", environ=environ)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    return run


def fill(url: str) -> None:
    """A vault's database with an archive that has expired, and one that was deleted."""
    vault = VaultDatabase(url)
    vault.policy("p", 1, auto_delete=True)
    vault.archive("expired", "p", days=1)
    vault.archive("deleted", days=1)
    vault.remove("deleted")
    vault.storage.close()


def values(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object and no list, with the key that it is under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in OF_SENDERS:
                yield from values(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from values(inner, key)
    else:
        yield key, value


def is_time(key: str) -> bool:
    return key not in RATES and (key in TIMES or key.endswith(ENDINGS))


@pytest.mark.parametrize(("words", "more"), CASES, ids=[" ".join([words, *more]) for words, more in CASES])
def test_times_are_in_utc_with_z_and_what_there_is_not_is_null(
    told: Callable[[str, list[str]], Any], words: str, more: list[str]
) -> None:
    found = list(values(told(words, more)))
    assert found
    for key, value in found:
        if is_time(key):
            assert value is None or TIME.fullmatch(str(value)), f"{key}: {value!r} is no time in UTC with Z"
        elif isinstance(value, str):
            assert not LIKE_A_TIME.match(value), f"{key}: {value!r} is a time, so name it like one"
            assert value not in NOTHING, f"{key} says {value!r} where it should be null"


def test_a_letter_that_cannot_be_read_has_null_in_the_place_of_its_times(
    told: Callable[[str, list[str]], Any],
) -> None:
    shown = told("dead show", ["unreadable"])
    assert [shown[name] for name in ("failed_at", "queue", "message", "eta", "chord")] == [None] * 5


def test_the_content_of_a_letter_is_as_its_sender_wrote_it(told: Callable[[str, list[str]], Any]) -> None:
    assert told("dead show", ["1", "--payload"])["payload"]["said"] == ""


def test_a_sweep_has_the_same_keys_whether_it_is_waited_for_or_not(told: Callable[[str, list[str]], Any]) -> None:
    sent = told("sweep", ["--now", "--no-wait"])
    assert set(sent) == set(told("sweeps list", [])["sweeps"][0]) == set(FIGURES)
    assert (sent["status"], sent["started_at"]) == ("sent", None)
