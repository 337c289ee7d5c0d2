"""The services' PostgreSQL has a standby, and a pooler before it that turns to the standby once it is promoted."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from support.forked import ForkedChildren
from support.poolers import PgBouncer, pgbouncer
from support.postgres import Postgres, replicated
from support.using_stack import says
from support.waiting import until

pytestmark = pytest.mark.stack

SESSIONS, REPORTS = 40, 60
SETTINGS = {"ARCHIVAL_AFTER_DAYS": "0", "ARCHIVAL_BATCH_SIZE": "2"}


class PooledStack(Stack):
    """A stack whose services share a database behind the pooler."""

    database_url = ""

    def _service(self, name: str, settings: Any) -> Any:
        place = {f"{name.upper().replace('-', '_')}_DATABASE_URL": self.database_url}
        return super()._service(name, {**settings, **place})


@pytest.fixture
def servers() -> Iterator[tuple[Postgres, Postgres]]:
    """A primary and its standby."""
    with replicated() as servers:
        yield servers


@pytest.fixture
def pooler(servers: tuple[Postgres, Postgres]) -> Iterator[PgBouncer]:
    with pgbouncer(servers[0]) as pooler:
        yield pooler


@pytest.fixture
def stack(pooler: PgBouncer, tmp_path: Path) -> Iterator[PooledStack]:
    (tmp_path / "logs").mkdir()
    with ForkedChildren(tmp_path / "logs") as children:
        stack = PooledStack(children, tmp_path, SETTINGS)
        stack.database_url = pooler.new_database()
        stack.start_services()
        stack.start_worker()
        yield stack


@pytest.fixture
def conversations(stack: Stack) -> list[str]:
    """Sessions that are over, with a question each."""
    with (
        MemoryGraphClient(MemoryGraphConfig.from_env(stack.environ)) as graph,
        RegistryClient(RegistryConfig.from_env(stack.environ)) as registry,
        ThreadPoolExecutor(4) as pool,
    ):

        def converse(number: int) -> str:
            session_id = graph.create_session().id
            graph.add_prompt(session_id, f"Question {number}?")
            registry.register_session(SessionRegistration(session_id, "acme/model:1"))
            registry.update_session_status(session_id, SessionStatus.COMPLETED)
            return session_id

        return list(pool.map(converse, range(SESSIONS)))


def test_a_sweep_goes_on_after_a_failover_and_nothing_is_lost_or_done_twice(
    servers: tuple[Postgres, Postgres], pooler: PgBouncer, stack: PooledStack, conversations: list[str]
) -> None:
    primary, standby = servers
    database = stack.database_url.rpartition("/")[2]

    def found(server: Postgres, statement: str) -> list[Any]:
        return server.run(statement, database)

    def archived(server: Postgres) -> int:
        return found(server, "SELECT count(*) FROM registry.sessions WHERE status = 'archived'")[0][0]

    with Celery("producer", set_as_current=False) as producer:
        producer.conf.update(broker_settings(stack.environ["REDIS_URL"]), task_ignore_result=True)
        producer.send_task("memory_graph.archival.sweep", queue="memory_graph.archival")
        for number in range(REPORTS):
            report = {"session_id": conversations[number % SESSIONS], "prompt_tokens": 1, "completion_tokens": 1}
            task = {"queue": "memory_graph.registry", "task_id": str(uuid4()), "kwargs": {"report": report}}
            producer.send_task("memory_graph.registry.track_usage", **task)
    until(lambda: archived(primary) >= SESSIONS // 10)
    primary.kill()
    assert archived(standby) < SESSIONS, "the sweep was over before"
    standby.promote()
    pooler.turn_to(standby)

    until(lambda: archived(standby) == SESSIONS, lambda: says(stack, "sweeps", "list"))
    (sweep,) = ended(stack)
    assert (sweep["status"], sweep["archived_count"], sweep["failed_count"]) == ("completed", SESSIONS, 0)
    archives = found(standby, "SELECT session_id FROM vault.archives")
    assert Counter(session_id for (session_id,) in archives) == Counter(conversations)
    until(lambda: found(standby, "SELECT count(*) FROM registry.usage_reports") == [(REPORTS,)])
    assert says(stack, "dead", "list", "--json")["count"] == 0
    stack.children.check()


def ended(stack: Stack) -> list[Any]:
    """The sweeps, once none runs."""
    sweeps: list[Any] = []

    def all_ended() -> bool:
        sweeps[:] = says(stack, "sweeps", "list", "--json")["sweeps"]
        return all(sweep["status"] != "running" for sweep in sweeps)

    until(all_ended)
    return sweeps
