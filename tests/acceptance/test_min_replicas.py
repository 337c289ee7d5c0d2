"""With REDIS_MIN_REPLICAS=1, what a producer has sent is done once, whatever becomes of the primary."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.stack import Stack
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionRegistration
from support.forked import ForkedChildren
from support.sentinels import Watched
from support.sentinels import watched as watched
from support.waiting import until

pytestmark = pytest.mark.stack

SESSION = "0b6f1d3e-2f0a-4d0e-8a53-1f6c5d1f0a01"
QUEUE = "memory_graph.registry"
PRODUCER = Path(__file__).parent.parent / "support" / "steady_producer.py"
SETTINGS = {"REDIS_MIN_REPLICAS": "1", "VISIBILITY_TIMEOUT_SECS": "10"}


@pytest.fixture
def stack(watched: Watched, tmp_path: Path) -> Iterator[Stack]:
    """Services and servers; a test starts the worker."""
    home = tmp_path / "stack"
    (home / "logs").mkdir(parents=True)
    with ForkedChildren(home / "logs") as children:
        stack = Stack(children, home, SETTINGS)
        stack.start_services()
        stack.environ["REDIS_URL"] = watched.url
        yield stack
        stack.children.check()


@pytest.fixture
def registry(stack: Stack) -> Iterator[RegistryClient]:
    with RegistryClient(RegistryConfig.from_env(stack.child_environ())) as registry:
        registry.register_session(SessionRegistration(SESSION, "acme/model:1"))
        yield registry


@pytest.fixture
def producer(stack: Stack, registry: RegistryClient) -> Iterator["subprocess.Popen[str]"]:
    """Sends all the time."""
    command = [sys.executable, str(PRODUCER), SESSION]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=stack.child_environ(), stdin=pipe, stdout=pipe, text=True) as producer:
        yield producer
        producer.kill()


def counted(registry: RegistryClient) -> int:
    return registry.get_session_usage(SESSION).total_tokens


def all_is_counted_once(watched: Watched, producer: "subprocess.Popen[str]", registry: RegistryClient) -> int:
    """Whether each report is counted once that was sent; returns how often sending was uncertain."""
    told, _ = producer.communicate("")
    sent, uncertain = map(int, told.split())
    until(lambda: not watched.redis.exists("unacked", QUEUE))
    assert counted(registry) == sent
    return uncertain


def test_a_planned_failover_under_load_loses_nothing(
    watched: Watched, stack: Stack, registry: RegistryClient, producer: "subprocess.Popen[str]"
) -> None:
    stack.start_worker()
    until(lambda: counted(registry) > 20)
    watched.fail_over()
    before = counted(registry)
    until(lambda: counted(registry) > before + 20)
    all_is_counted_once(watched, producer, registry)


def test_a_primary_that_is_killed_while_its_replica_lags_loses_nothing(
    watched: Watched, stack: Stack, registry: RegistryClient, producer: "subprocess.Popen[str]"
) -> None:
    primary, replica = watched.servers
    until(lambda: primary.redis.llen(QUEUE) > 20)
    replica.process.send_signal(signal.SIGSTOP)
    primary.redis.client_kill_filter(_type="replica")
    before = primary.redis.llen(QUEUE)
    until(lambda: primary.redis.llen(QUEUE) > before + 2)  # the replica never gets these
    primary.stop()
    replica.process.send_signal(signal.SIGCONT)
    watched.bring_back()
    stack.start_worker()
    until(lambda: counted(registry) > 20)
    assert all_is_counted_once(watched, producer, registry)
