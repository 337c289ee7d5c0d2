"""What the doctor says of a Redis, and how it sees what is wrong with it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from memory_graph_workers.cli.doctor.finding import State
from memory_graph_workers.cli.doctor.keys import check_keys
from memory_graph_workers.cli.doctor.messages import check_other_queues, check_waiting
from memory_graph_workers.cli.doctor.redis_server import check_address, check_server, judged_clock
from memory_graph_workers.cli.queues.rows import rows
from memory_graph_workers.cli.target import Target, target_of
from support.our_app import delivery_with
from support.replicas import Replica
from support.replicas import replica as replica


def states(broker: Any) -> dict[str, State]:
    return {one.check.partition(": ")[2]: one.state for one in check_server("redis", broker.url)}


def test_a_fit_server_passes(broker: Any) -> None:
    assert set(states(broker).values()) == {State.OK}


@pytest.mark.parametrize(
    ("setting", "value", "check", "state"),
    [
        ("maxmemory-policy", "allkeys-lru", "eviction", State.FAILURE),
        ("appendonly", "no", "persistence", State.FAILURE),
        ("maxmemory", "900kb", "memory", State.WARNING),
    ],
)
def test_what_loses_tasks_is_seen(broker: Any, setting: str, value: str, check: str, state: State) -> None:
    broker.redis.config_set(setting, value)
    found = states(broker)
    assert found.pop(check) is state
    assert set(found.values()) == {State.OK}


@pytest.mark.parametrize(("declared", "state"), [("aof", State.FAILURE), ("managed", State.OK)])
def test_persistence_of_another_kind_can_be_declared(
    broker: Any, monkeypatch: pytest.MonkeyPatch, declared: str, state: State
) -> None:
    broker.redis.config_set("appendonly", "no")
    monkeypatch.setenv("REDIS_PERSISTENCE", declared)
    assert states(broker)["persistence"] is state


def test_a_replica_says_of_whom(broker: Any) -> None:
    broker.redis.replicaof("127.0.0.1", 1)
    role = next(one for one in check_server("redis", broker.url) if one.check == "redis: role")
    assert (role.state, role.found) == (State.FAILURE, "replica of 127.0.0.1:1, link down")


def replicas(broker: Any, min_replicas: int = 0) -> tuple[State | None, str]:
    found = [one for one in check_server("redis", broker.url, min_replicas) if one.check == "redis: replicas"]
    return (found[0].state, found[0].found) if found else (None, "")


def test_replicas_are_named_with_what_waits_for_them(broker: Any, replica: Replica) -> None:
    assert replicas(broker) == (None, "")
    assert replicas(broker, 1) == (
        State.WARNING,
        "none; REDIS_MIN_REPLICAS (install's min_replicas) 1, min-replicas-to-write 0 (min-replicas-max-lag 10 s)",
    )
    replica.start()
    state, found = replicas(broker)
    assert state is State.OK
    assert " online, lag " in found
    assert "a failover can lose what was sent last" in found
    assert replicas(broker, 1)[0] is State.OK
    broker.redis.config_set("min-replicas-to-write", 2)
    state, found = replicas(broker)
    assert state is State.FAILURE
    assert "min-replicas-to-write 2" in found


def test_what_the_server_wants_is_unknown_where_nobody_may_ask(broker: Any, replica: Replica) -> None:
    replica.start()
    broker.redis.execute_command("ACL SETUSER", "default", "-config")
    assert "min-replicas-to-write unknown" in str(replicas(broker, 1))


def test_a_server_that_is_away_is_a_failure_with_a_fix() -> None:
    address, answer = check_server("redis", "redis://127.0.0.1:1/0")
    assert (address.state, answer.state) == (State.OK, State.FAILURE)
    assert "REDIS_URL" in answer.fix


def test_a_server_that_is_in_no_cluster_is_named(broker: Any) -> None:
    _, answer = check_server("redis", broker.url.replace("redis:", "redis+cluster:").replace("/0", "/{mgw}"))
    assert answer.state is State.FAILURE
    assert "of a cluster knows who has the keys of {mgw}" in answer.found
    assert "write redis://" in answer.fix


def test_sentinels_that_do_not_know_the_primary_are_named() -> None:
    _, answer = check_server("redis", "redis+sentinel://127.0.0.1:1,127.0.0.1:2/orders/0")
    assert answer.state is State.FAILURE
    assert "sentinels 127.0.0.1:1, 127.0.0.1:2 knows a primary orders" in answer.found
    assert "SENTINEL MASTERS" in answer.fix


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("redis://localhost/0", State.OK),
        ("redis+sentinel://:secret@a.example.com,b.example.com/orders", State.WARNING),
        ("rediss+sentinel://:secret@a.example.com,b.example.com/orders", State.OK),
        ("rediss://:secret@redis.example.com/0", State.OK),
        ("redis://:secret@redis.example.com/0", State.WARNING),
        ("redis://redis.example.com/0", State.FAILURE),
    ],
)
def test_a_server_elsewhere_needs_a_password_and_should_speak_tls(url: str, state: State) -> None:
    finding = check_address("redis", url)
    assert finding.state is state
    assert "secret" not in repr(finding)


@pytest.mark.parametrize(("theirs", "state"), [(100.4, State.OK), (400.0, State.WARNING), (-200.0, State.WARNING)])
def test_clocks_minutes_apart_are_seen(theirs: float, state: State) -> None:
    assert judged_clock("redis", theirs, 100.0, 100.5).state is state


@pytest.fixture
def target(broker: Any) -> Iterator[Target]:
    """Our app, whose broker is a server of the test's."""
    with delivery_with(url=broker.url, state_url=broker.url):
        yield target_of(None)


@pytest.mark.parametrize(("waited_secs", "state"), [(10, State.OK), (3600, State.WARNING)])
def test_a_message_that_waits_for_long_is_seen(broker: Any, target: Target, waited_secs: int, state: State) -> None:
    for seconds in (1, waited_secs):
        broker.redis.rpush("memory_graph.vault", json.dumps({"headers": {"sent_at": time.time() - seconds}}))
    broker.redis.lpush("memory_graph.vault", "junk")
    found = {one.check: one for one in check_waiting(target)}
    assert found["waiting: memory_graph.vault"].state is state
    assert f"3, the oldest for {waited_secs}" in found["waiting: memory_graph.vault"].found
    assert found["waiting: memory_graph.registry"].found == "0"


def test_what_dead_workers_hold_is_seen(broker: Any, target: Target) -> None:
    broker.redis.zadd("unacked_index", {"long ago": time.time() - 600, "just now": time.time()})
    *_, held = check_waiting(target)
    assert (held.state, held.found) == (State.WARNING, "1")


@pytest.mark.parametrize(
    "key", ["memory_graph.vault", "unacked", "unacked_index", "memory_graph:hold:queue:memory_graph.registry"]
)
def test_a_key_of_another_type_is_named_and_hides_nothing_else(broker: Any, target: Target, key: str) -> None:
    broker.redis.pfadd(key, "a") if "hold" not in key else broker.redis.lpush(key, "a")
    found, counters = check_keys(target)
    assert counters.state is State.OK
    assert found.state is State.FAILURE
    assert f"{key} is a " in found.found
    broker.redis.lpush("memory_graph.archival", "junk" + "[" * 100_000)
    if not key.startswith("unacked"):
        assert {one.check: one.found for one in check_waiting(target)}["waiting: memory_graph.archival"] == "1"


def message(task: str, queue: str) -> dict[str, Any]:
    info = {"exchange": "", "routing_key": queue}
    properties = {"delivery_tag": "t", "delivery_info": info, "body_encoding": "base64"}
    return {"body": "W10=", "headers": {"task": task, "id": "i"}, "properties": properties}


OUR_TASK = "memory_graph.registry.get_session"


@pytest.mark.parametrize("key", ["memory_graph.regstry", "celery", "memory_graph.regstry\x06\x163"])
def test_our_messages_on_a_queue_that_nobody_consumes_are_seen(broker: Any, target: Target, key: str) -> None:
    broker.redis.lpush("just a list", "x")
    broker.redis.lpush("memory_graph.registry", json.dumps(message(OUR_TASK, "memory_graph.registry")))
    broker.redis.lpush(key, json.dumps(message(OUR_TASK, key)))
    lost, other = check_other_queues(target)
    assert (lost.state, lost.found) == (State.WARNING, f"{key.partition(chr(6))[0]}: 1")
    assert other.state is State.OK
    assert [row["why"] for row in rows(target) if row["waiting"]] == [
        None,
        "not a queue of this app: nobody takes from it",
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("blue:", ""), ("blue:", "green:"), ("", "green:"), ("blue:", "blue:x:"), ("blue:x:", "blue:")],
)
def test_our_messages_under_another_prefix_are_seen_unless_workers_of_theirs_run(
    broker: Any, ours: str, theirs: str
) -> None:
    key = f"{theirs}memory_graph.registry"
    broker.redis.lpush(key, json.dumps(message(OUR_TASK, "memory_graph.registry")))
    with delivery_with(url=broker.url, state_url=broker.url, key_prefix=ours):
        target = target_of(None)
        lost, other = check_other_queues(target)
        assert (lost.state, lost.found) == (State.WARNING, f"{key}: 1")
        assert "KEY_PREFIX" in lost.fix
        assert other.state is State.OK
        broker.redis.zadd(f"{theirs}{target.delivery.unprefixed_keys.workers}", {"w": time.time() + 60})
        assert [one.state for one in check_other_queues(target)] == [State.OK, State.OK]


def test_queues_that_the_user_may_not_read_are_another_fleets(broker: Any) -> None:
    broker.redis.lpush("green:memory_graph.registry", json.dumps(message(OUR_TASK, "memory_graph.registry")))
    broker.redis.execute_command("ACL SETUSER", "w", "on", ">hush", "+@all", "~blue:*")
    url = broker.url.replace("redis://", "redis://w:hush@")
    with delivery_with(url=url, state_url=url, key_prefix="blue:"):
        assert [one.state for one in check_other_queues(target_of(None))] == [State.OK, State.OK]


def test_another_app_on_the_database_is_named(broker: Any, target: Target) -> None:
    broker.redis.hset("unacked", "ours", json.dumps([message(OUR_TASK, ""), "", "memory_graph.vault"]))
    assert [one.state for one in check_other_queues(target)] == [State.OK, State.OK]
    broker.redis.lpush("shop", json.dumps(message("shop.pay", "shop")))
    broker.redis.hset("unacked", "theirs", json.dumps([message("mail.send", "mail"), "", "mail"]))
    lost, other = check_other_queues(target)
    assert lost.state is State.OK
    assert (other.state, other.found) == (State.WARNING, "queues mail, shop; it shares unacked")


def test_responses_to_remote_control_are_no_app_of_their_own(broker: Any, target: Target) -> None:
    replies = "76d642b9-02ef-3744-96c6-5a135b6161b1.reply.celery.pidbox"
    broker.redis.lpush(replies, json.dumps(message("", replies)))
    broker.redis.hset("unacked", "reply", json.dumps([message("", replies), "", replies]))
    assert [one.state for one in check_other_queues(target)] == [State.OK, State.OK]
