"""A server that does as it is told, and clients of it."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from support.fakes.http_server import FakeServer

KEY = "key-canary-5Vq"
QUICK = RetryPolicy(initial_delay_secs=0.01)


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and registry.test, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1,DNS:registry.test -days 2".split()
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc".split()
    where = ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([*made, *where, *subject], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


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
