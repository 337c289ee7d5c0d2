"""The doctor names each key of another type than it should be, and each counter that holds no number."""

from collections.abc import Iterator

import pytest
from memory_graph_workers.cli.doctor.finding import Finding, State
from memory_graph_workers.cli.doctor.keys import check_keys
from memory_graph_workers.cli.doctor.sweeps import check_sweeps
from memory_graph_workers.cli.target import Target, target_of
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.state import Sweeps
from memory_graph_workers.tasks.usage_counts import KEY as USAGE
from support.broker import Broker
from support.our_app import KEYS, delivery_with
from support.shared_broker import broker as broker
from support.shared_broker import running as running

POT = KEYS.failures


@pytest.fixture
def target(broker: Broker) -> Iterator[Target]:
    with delivery_with(url=broker.url, state_url=broker.url):
        yield target_of(None)


def found(target: Target) -> dict[str, Finding]:
    return {one.check: one for one in check_keys(target)}


def test_what_is_as_it_should_be_is_no_finding(target: Target, broker: Broker) -> None:
    broker.redis.set(POT.size_bytes, 17)
    broker.redis.hset(USAGE, "accepted", 3)
    broker.redis.set(KEYS.permits("memory_graph.vault"), -1)
    assert {one.state for one in found(target).values()} == {State.OK}


@pytest.mark.parametrize("key", [POT.size_bytes, KEYS.quarantine.size_bytes, KEYS.permits("memory_graph.vault")])
def test_a_counter_of_no_number_is_named_and_not_quoted(target: Target, broker: Broker, key: str) -> None:
    broker.redis.set(key, "a secret")
    one = found(target)["counters"]
    assert (one.state, one.found) == (State.FAILURE, f"{key} holds no number")
    assert "DEL" in one.fix


@pytest.mark.parametrize("key", [POT.gave_way, USAGE])
def test_a_field_of_no_number_is_named(target: Target, broker: Broker, key: str) -> None:
    broker.redis.hset(key, "accepted", "a secret")
    one = found(target)["counters"]
    assert (one.state, one.found) == (State.FAILURE, f"{key} has no number for accepted")


@pytest.mark.parametrize("key", [*POT.types, USAGE])
def test_a_key_of_another_type_is_named(target: Target, broker: Broker, key: str) -> None:
    broker.redis.rpush(key, "x")
    one = found(target)["types of keys"]
    assert one.state is State.FAILURE
    assert f"{key} is a list, not a " in one.found
    assert found(target)["counters"].state is State.OK


def test_a_sweeps_count_of_no_number_is_named(broker: Broker) -> None:
    with connections.lending(redis=broker.redis):
        Sweeps(broker.redis).begin("one", Trigger.MANUAL, now())
        broker.redis.hset("memory_graph:sweep:one", "failed", "junk")
        named = {one.check: one for one in check_sweeps()}["counts of sweeps"]
    assert (named.state, named.found) == (State.WARNING, "memory_graph:sweep:one has no number for failed")
