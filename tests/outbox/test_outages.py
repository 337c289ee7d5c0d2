"""The relay through outages of its database, and with a broker whose replicas do not confirm."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker import Broker
from support.outbox import Database, Relay, sent
from support.postgres import Postgres
from support.postgres import postgres as postgres_server
from support.replicas import Replica
from support.replicas import replica as replica
from support.waiting import LONGEST_SECS, until

Begin = Callable[..., Relay]


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may end."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if "own_postgres" in request.fixturenames:
        return Database(request.getfixturevalue("own_postgres").new_database())
    return Database(f"sqlite:///{tmp_path}/app.db")


def test_it_goes_on_after_its_database_was_away(
    own_postgres: Postgres, database: Database, broker: Broker, relay: Begin
) -> None:
    one = relay()
    ids = database.write(3)
    until(lambda: not database.count())
    own_postgres.stop()
    until(lambda: one.says("database does not answer"))
    own_postgres.start()
    ids += database.write(3)
    until(lambda: not database.count(), one.err.read_text)
    assert one.stop() == 0
    assert sent(broker) == dict.fromkeys(ids, 1)


def test_it_sends_once_its_role_may_read_and_not_again_until_that_may_delete(
    own_postgres: Postgres, database: Database, broker: Broker, relay: Begin
) -> None:
    own_postgres.run("CREATE ROLE reader LOGIN", database.name)
    one = relay(OUTBOX_DATABASE_URL=database.url.replace("postgres@", "reader@"))
    until(lambda: one.says("InsufficientPrivilege"))
    own_postgres.run("GRANT SELECT, UPDATE ON memory_graph_outbox TO reader", database.name)
    ids = database.write(2)
    until(lambda: sent(broker).total() == 2, one.err.read_text)
    own_postgres.run("GRANT DELETE ON memory_graph_outbox TO reader", database.name)
    until(lambda: not database.count(), one.err.read_text)
    assert sent(broker) == dict.fromkeys(ids, 1)


def test_rows_stay_until_replicas_confirm(database: Database, broker: Broker, relay: Begin, replica: Replica) -> None:
    ids = database.write(20)
    one = relay(REDIS_MIN_REPLICAS="1")
    until(lambda: one.says("0 of 1 replicas confirmed"))
    assert set(sent(broker)) == set(ids)
    assert database.count() == 20
    replica.start()
    until(lambda: not database.count(), one.err.read_text)
    assert set(sent(broker)) == set(ids)
    assert one.stop() == 0


def test_letters_that_no_replica_has_keep_their_rows(database: Database, broker: Broker, relay: Begin) -> None:
    database.put("1", "memory_graph.registry.no_such_task", "{}")
    one = relay("--once", REDIS_MIN_REPLICAS="1")
    assert one.wait(LONGEST_SECS) == 1
    assert database.count() == 1
