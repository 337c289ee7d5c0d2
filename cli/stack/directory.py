"""The private directory in which a stack lives: databases, keys and logs, readable by its owner alone."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import click

from ..terminal.failure import Failure, Refused
from .processes import Children

_LOGS = "logs"
_MARK = "mgw.lock"


@contextmanager
def temporary_home(*, keep_logs: bool) -> Generator[tuple[Path, Children]]:
    """A directory that goes with us, however we end; its logs stay after a failure, or where they are wanted."""
    home = Path(tempfile.mkdtemp(prefix="mgw-")).resolve()
    (home / _LOGS).mkdir()
    try:
        with Children(home / _LOGS) as children:
            children.delete_in_the_end(home)
            with _logs_kept(home, keep_logs):
                yield home, children
    finally:
        shutil.rmtree(home, ignore_errors=True)  # still there where somebody killed the watcher


@contextmanager
def _logs_kept(home: Path, keep_logs: bool) -> Generator[None]:
    """Move the logs out after a failure, or where they are wanted; before the watcher deletes all."""
    try:
        yield
    except Failure:
        keep_logs = True
        raise
    finally:
        if keep_logs and any((home / _LOGS).iterdir()):
            click.echo(f"The logs are in {_moved_logs(home)}", err=True)


@contextmanager
def lasting_home(home: Path) -> Generator[tuple[Path, Children]]:
    """A directory of the caller's that stays; one stack at a time lives in it.

    Raises: Refused where something else is in it, or another stack runs in it.
    """
    home = home.resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / _MARK).exists() and any(home.iterdir()):
        raise Refused(f"{home} holds other things. Name a directory that is empty or new.")
    home.chmod(0o700)
    with (home / _MARK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(f"Another stack runs in {home}. Stop it, or name another directory.") from error
        shutil.rmtree(home / _LOGS, ignore_errors=True)
        (home / _LOGS).mkdir()
        with Children(home / _LOGS) as children:
            yield home, children


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in a file of mode 0600, made where there is none yet."""
    if not path.exists():
        half_made = path.with_suffix(".new")
        half_made.unlink(missing_ok=True)
        half_made.touch(mode=0o600)
        half_made.write_text(make())
        half_made.replace(path)
    return path.read_text()


def _moved_logs(home: Path) -> Path:
    return (home / _LOGS).rename(home.with_name(f"{home.name}-logs"))
