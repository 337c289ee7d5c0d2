"""A certificate that nobody signed but itself, and servers of Redis that speak TLS with it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.ports import free_port
from redis import Redis
from redis.exceptions import RedisError
from support.waiting import LONGEST_SECS, until

_HOW = "A Redis that speaks TLS is needed, as no wheel brings one; on Debian: apt install redis-server"


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


class Servers:
    """Servers of Redis that speak TLS alone, with one certificate that a client must trust."""

    def __init__(self, folder: Path, certificate: Path, program: str, exits: ExitStack) -> None:
        self._folder, self._program, self._exits, self.trusted = folder, program, exits, certificate.with_suffix(".crt")
        both = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate), "--tls-auth-clients", "no")
        self._tls = ("--port", "0", *both, "--tls-ca-cert-file", str(self.trusted), "--tls-replication", "yes")

    def start(self, *options: str) -> int:
        """Start one with more options; returns its port."""
        port = free_port()
        folder = self._folder / str(port)
        folder.mkdir()
        address = ("--bind", "127.0.0.1", "--tls-port", str(port), "--dir", str(folder), "--save", "")
        command = [self._program, *options, *self._tls, *address, "--logfile", str(folder / "log")]
        process = subprocess.Popen(command)
        self._exits.callback(process.wait, LONGEST_SECS)
        self._exits.callback(process.kill)
        until(lambda: self._answers(port), (folder / "log").read_text)
        return port

    def client(self, port: int) -> Redis:
        """A client of one of them."""
        return Redis(host="127.0.0.1", port=port, ssl=True, ssl_ca_certs=str(self.trusted))

    def _answers(self, port: int) -> bool:
        with self.client(port) as redis:
            try:
                return bool(redis.ping())
            except RedisError:
                return False


@contextmanager
def tls_servers(folder: Path, certificate: Path) -> Iterator[Servers]:
    """Servers that end with the block; without such a Redis a test is skipped, and fails in CI."""
    program = shutil.which("redis-server")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_HOW)
    with ExitStack() as exits:
        yield Servers(folder, certificate, program, exits)
