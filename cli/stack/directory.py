"""The private directory of a stack: databases, keys and logs that only their owner can read."""

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
def temporary_directory(*, keep_logs: bool) -> Generator[tuple[Path, Children]]:
    """A directory that is deleted however we end; its logs are kept after a failure, or on request."""
    directory = Path(tempfile.mkdtemp(prefix="mgw-")).resolve()
    (directory / _LOGS).mkdir()
    try:
        with Children(directory / _LOGS) as children:
            children.delete_in_the_end(directory)
            with _logs_kept(directory, keep_logs):
                yield directory, children
    finally:
        shutil.rmtree(directory, ignore_errors=True)  # in case somebody killed the watcher


@contextmanager
def _logs_kept(directory: Path, keep_logs: bool) -> Generator[None]:
    """Move the logs out after a failure or on request, before the watcher deletes the directory."""
    try:
        yield
    except Failure:
        keep_logs = True
        raise
    finally:
        if keep_logs and any((directory / _LOGS).iterdir()):
            click.echo(f"The logs are in {_moved_logs(directory)}", err=True)


@contextmanager
def lasting_directory(directory: Path) -> Generator[tuple[Path, Children]]:
    """The caller's own directory, which is kept; only one stack at a time may use it.

    Raises: Refused if it holds other files, or if another stack runs in it.
    """
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (directory / _MARK).exists() and any(directory.iterdir()):
        raise Refused(f"{directory} holds other files. Choose an empty or a new directory.")
    directory.chmod(0o700)
    with (directory / _MARK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(f"Another stack runs in {directory}. Stop it, or choose another directory.") from error
        shutil.rmtree(directory / _LOGS, ignore_errors=True)
        (directory / _LOGS).mkdir()
        with Children(directory / _LOGS) as children:
            yield directory, children


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in a file of mode 0600; it is created if the file does not exist."""
    if not path.exists():
        half_made = path.with_suffix(".new")
        half_made.unlink(missing_ok=True)
        half_made.touch(mode=0o600)
        half_made.write_text(make())
        half_made.replace(path)
    return path.read_text()


def _moved_logs(directory: Path) -> Path:
    return (directory / _LOGS).rename(directory.with_name(f"{directory.name}-logs"))
