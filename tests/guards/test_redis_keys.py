"""Each family of keys in Redis is spelled in one place, and everybody else asks there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("schemas", "delivery", "clients", "tasks", "services", "outbox", "cli")
FILES = [*ROOT.glob("*.py"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
PREFIX = re.compile(r"^memory_graph:")
OF_DELIVERY = re.compile(r"(?<![\w/])unacked(_index|_mutex)?$|:(dead|hold):")

# Where a family of our own keys is spelled: all of the sweep's, a breaker's, the counts of usage reports. Beat's follow
# from the app's settings.
OURS = {"tasks/archival/keys.py", "tasks/usage_counts.py", "clients/breaker/redis_storage.py"}


def texts(file: Path) -> Iterator[str]:
    """Every piece of text in a module's code; docstrings are not code."""
    tree = ast.parse(file.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def spelled(pattern: re.Pattern[str]) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in FILES if any(map(pattern.search, texts(file)))}


def test_the_apps_own_keys_are_spelled_in_one_place_each() -> None:
    assert spelled(PREFIX) == OURS


def test_every_client_of_redis_comes_from_one_factory() -> None:
    made = re.compile(r"\bRedis(\.from_url)?\(|\bConnectionPool(\.from_url)?\(")
    found = {file.relative_to(ROOT) for file in FILES if made.search(file.read_text())}
    assert {str(file.parent) for file in found} == {"delivery/connections"}


def test_deliverys_keys_are_spelled_in_one_place() -> None:
    assert spelled(OF_DELIVERY) == {"delivery/keys.py"}
