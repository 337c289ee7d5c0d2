"""What the doctor says of a Redis whose user may not do what workers need."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.doctor.finding import Finding, State
from memory_graph_workers.cli.doctor.permissions import calls_on, names_of
from memory_graph_workers.cli.doctor.redis_server import check_server
from memory_graph_workers.cli.target import Target, target_of
from support.broker import Broker
from support.our_app import delivery_with

PAGE = (Path(__file__).parent.parent.parent / "docs" / "redis.md").read_text()
USERS = {line.split()[0]: line.split()[1:] for line in re.findall(r"^ACL SETUSER (.*)$", PAGE, re.MULTILINE)}


@pytest.fixture
def target(broker: Broker) -> Iterator[Target]:
    """Our app, whose broker is a server of the test's."""
    with delivery_with(url=broker.url, state_url=broker.url, key_prefix="blue:"):
        yield target_of(None)


def found(broker: Broker, target: Target, user: str, *changes: str) -> list[Finding]:
    """What is found with a user of the page's, which is given other rights by `changes`."""
    broker.redis.execute_command("ACL SETUSER", user, *USERS[user], *changes)
    broker.redis.set("blue:memory_graph.registry", "untouched")
    names = names_of(target, ["broker", "results"])
    findings = list(check_server("redis", f"redis://{user}:PASSWORD@127.0.0.1:{broker.port}/0", 0, names))
    assert broker.redis.get("blue:memory_graph.registry") == b"untouched"
    assert broker.redis.keys() == [b"blue:memory_graph.registry"]
    return findings


def permissions(broker: Broker, target: Target, user: str, *changes: str) -> Finding:
    return next(one for one in found(broker, target, user, *changes) if one.check == "redis: permissions")


@pytest.mark.parametrize("user", ["worker", "operator"])
def test_those_who_work_may_do_all_that_they_need(broker: Broker, target: Target, user: str) -> None:
    one = permissions(broker, target, user)
    assert (one.state, one.found) == (State.OK, f"user {user} may do what workers, beat and mgw do")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("-wait", "may not run WAIT on"),
        ("-zmscore", "may not run ZMSCORE on"),
        ("-evalsha", "may not run EVALSHA on"),
        ("-psubscribe", "may not run PSUBSCRIBE on blue:/0.celery.pidbox"),
        ("resetchannels", "may not run SUBSCRIBE PUBLISH on blue:/0.celery.pidbox"),
        ("-multi", "may not run MULTI"),
    ],
)
def test_a_missing_command_is_named(broker: Broker, target: Target, change: str, told: str) -> None:
    one = permissions(broker, target, "worker", change)
    assert one.state is State.FAILURE
    assert f"user worker {told}" in one.found
    assert "docs/redis.md" in one.fix


def test_every_call_is_one_that_the_server_would_judge(broker: Broker, target: Target) -> None:
    # With a wrong number of arguments the server refuses a command before it looks at the user's rights.
    one = permissions(broker, target, "worker", "-@all", "+multi", "+discard", "+get", "+del", "+hello", "+client")
    key, control, results = (found.partition(" on ")[0].split()[1:] for found in one.found.split("; may not ")[:3])
    assert {call[0].upper() for call in calls_on("x")} - {"GET"} == set(key[key.index("run") + 1 :])
    assert (control, results) == (["SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH"], ["SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH"])


@pytest.mark.parametrize("rights", ["~blue:memory_graph*", "%R~blue:* ~blue:memory_graph*"])
def test_a_missing_key_is_named(broker: Broker, target: Target, rights: str) -> None:
    one = permissions(broker, target, "worker", "resetkeys", *rights.split())
    assert one.state is State.FAILURE
    assert "may not read (GET) and delete (DEL)" in one.found
    for key in ("blue:unacked", "blue:unacked_index", "blue:celery-task-meta-doctor", "blue:_kombu.binding"):
        assert key in one.found
    assert "blue:memory_graph.registry" not in one.found


def test_no_key_at_all_is_named(broker: Broker, target: Target) -> None:
    one = permissions(broker, target, "worker", "resetkeys", "~green:*")
    assert one.state is State.FAILURE
    assert "blue:memory_graph.registry" in one.found


def test_a_user_who_may_not_look_at_the_server_is_named(broker: Broker, target: Target) -> None:
    *_, permitted, last = found(broker, target, "producer")
    assert permitted.state is State.FAILURE
    assert (last.state, last.found) == (
        State.FAILURE,
        "answers, but its user may not run what the doctor looks at it with (INFO, TIME)",
    )
    assert "operators" in last.fix


def test_a_replica_refuses_writes_and_not_its_user(broker: Broker, target: Target) -> None:
    broker.redis.execute_command("ACL SETUSER", "worker", *USERS["worker"])
    broker.redis.replicaof("127.0.0.1", 1)
    names = names_of(target, ["broker"])
    findings = check_server("redis", f"redis://worker:PASSWORD@127.0.0.1:{broker.port}/0", 0, names)
    by_check = {one.check: one.state for one in findings}
    assert (by_check["redis: permissions"], by_check["redis: role"]) == (State.OK, State.FAILURE)
