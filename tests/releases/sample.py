"""`make release-samples`: keep what later releases must be able to read, in a folder named after this release."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from memory_graph_workers.cli.stack.directory import temporary_directory  # noqa: E402
from memory_graph_workers.delivery import DeadLetters, Keys, Reason  # noqa: E402
from releases.dumps import dumped  # noqa: E402
from releases.filling import VAULT_BEGAN_SECS, fill, read  # noqa: E402
from releases.messages import kept_letters, make_letters, messages_of  # noqa: E402
from releases.producer import TOLD  # noqa: E402
from releases.release_stack import SERVICES, ReleaseStack  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.postgres import Postgres  # noqa: E402

VERSION = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text())["project"]["version"]


def main() -> int:
    """Write the samples of this checkout; 1 if they are those of a release that is out."""
    if _is_released(VERSION):
        print(f"v{VERSION} is released: its samples stay as they are. Set the next version in pyproject.toml first.")  # noqa: T201
        return 1
    folder = HERE / VERSION
    (folder / "messages").mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="mgw-samples-") as scratch:
        _sample_sqlite(folder, Path(scratch))
        _sample_postgresql(folder, Path(scratch))
        _sample_messages(folder / "messages", Path(scratch))
    return 0


def _is_released(version: str) -> bool:
    tags = subprocess.run(["git", "tag", "--list", f"v{version}"], cwd=HERE, capture_output=True, text=True)
    return bool(tags.stdout.strip())


def _sample_sqlite(folder: Path, scratch: Path) -> None:
    _sample(folder, "sqlite", {name: f"sqlite:///{scratch}/{name}.db" for name in SERVICES})


def _sample_postgresql(folder: Path, scratch: Path) -> None:
    server = Postgres(scratch / "postgres")
    try:
        _sample(folder, "postgresql", {name: server.new_database() for name in SERVICES})
    finally:
        server.stop()


def _sample(folder: Path, kind: str, databases: Mapping[str, str]) -> None:
    """Fill the services, and keep what they tell and what their databases hold."""
    with temporary_directory(keep_logs=False) as (directory, children):
        stack = ReleaseStack(children, directory, databases, VAULT_BEGAN_SECS)
        stack.start_services()
        stack.start_worker()
        ids = fill(stack)
        told = {**ids, "told": read(stack, **ids)}
    (folder / f"told.{kind}.json").write_text(_json(told))
    for name, url in databases.items():
        (folder / f"{name.replace('-', '_')}.{kind}.sql").write_text(dumped(url))


def _sample_messages(folder: Path, scratch: Path) -> None:
    (data := scratch / "broker").mkdir()
    broker = Broker(data)
    try:
        messages = messages_of(broker)
        make_letters(broker, scratch)
        letters = kept_letters(broker)
        _check(messages, {letter.reason for letter in DeadLetters(broker.redis, Keys("memory_graph")).all()})
    finally:
        broker.redis.close()
        broker.stop()
    (folder / "tasks.jsonl").write_text(_lines(messages))
    (folder / "told.json").write_text(_json(TOLD))
    (folder / "dead_letters.json").write_text(_json(letters))


def _check(messages: list[dict[str, str]], reasons: set[Reason]) -> None:
    """Refuse samples that lack a task of this release, or a reason of dead letters."""
    sampled = {json.loads(message["item"])["headers"]["task"] for message in messages}
    tasks = {line.partition("(")[0] for line in (HERE.parent / "guards" / "task_names.txt").read_text().splitlines()}
    if lacks := sorted({*tasks, *Reason} - {*sampled, *reasons}):
        raise SystemExit(f"There is no sample of {', '.join(lacks)}: add it to producer.py or letters_producer.py.")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


if __name__ == "__main__":
    sys.exit(main())
