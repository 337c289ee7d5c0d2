"""Imports go one way: each layer imports only the layers below it, and no two modules import each other."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "memory_graph_workers"
DOMAIN = {"services.registry", "services.vault", "services.memory_graph"}
SERVICES = {"services", "services.web", "services.database", "services.migrations"} | DOMAIN

# What each layer may import besides itself. The longest name that fits a module is its layer.
LAYERS = {
    "schemas": set[str](),
    "tracing": {"schemas"},
    "delivery": set[str](),
    "clients": {"tracing", "schemas"},
    "services.database": {"tracing", "schemas"},
    "services.web": {"services.database", "tracing", "schemas"},
    **{service: {"services.web", "services.database", "tracing", "schemas"} for service in DOMAIN},
    "services.migrations": {"services", "services.database", "schemas"} | DOMAIN,
    "services": SERVICES | {"tracing", "schemas"},
    "beat_schedule": {"clients", "schemas"},
    "tasks": {"beat_schedule", "delivery", "clients", "tracing", "schemas"},
    "outbox": {"tasks", "delivery", "clients", "services.database", "schemas"},
    "cli": {"outbox", "tasks", "beat_schedule", "delivery", "clients", "schemas"} | SERVICES,
    "examples": {"tasks", "beat_schedule", "delivery", "clients", "schemas"},
    "testing": {"tasks", "delivery", "clients", "schemas"} | SERVICES,
    "": set[str](),  # the root's __init__.py
}

FOLDERS = {layer.split(".")[0] for layer in LAYERS} - {""}
FILES = [*ROOT.glob("*.py"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]


def module_name(file: Path) -> str:
    """The module's name below the package: `tasks.archival` for tasks/archival/__init__.py."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_name(file): file for file in FILES}


def layer_of(module: str) -> str:
    return max((one for one in LAYERS if f"{module}.".startswith(f"{one}.") or not one), key=len)


def absolute_names(module: str, node: ast.AST) -> Iterator[str]:
    """Every full name that an import statement asks for, relative or absolute."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            here = [PACKAGE, *filter(None, module.split("."))]
            depth = node.level - (MODULES[module].name == "__init__.py")
            base = ".".join(filter(None, [*here[: len(here) - depth], node.module]))
        yield from (f"{base}.{alias.name}" for alias in node.names)


def resolved(name: str) -> str | None:
    """The module of ours that holds `name`, which may be a module itself or something in one."""
    if name != PACKAGE and not name.startswith(f"{PACKAGE}."):
        return None
    inner = name.removeprefix(PACKAGE).removeprefix(".")
    while inner not in MODULES:
        inner = inner.rpartition(".")[0]
    return inner


@cache
def edges() -> set[tuple[str, str]]:
    """Who imports whom. Imports in functions and for the type checker alone count, too."""
    found: set[tuple[str, str]] = set()
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text())):
            targets = {resolved(name) for name in absolute_names(module, node)} - {None, module}
            found |= {(module, target) for target in targets if target is not None}
    return found


def against_layers() -> set[tuple[str, str]]:
    """Edges from a layer to one that it may not import; it may always import itself."""
    return {
        (module, target)
        for module, target in edges()
        if layer_of(target) != layer_of(module) and layer_of(target) not in LAYERS[layer_of(module)]
    }


def in_circles() -> set[tuple[str, str]]:
    """Edges whose target leads back to their module."""
    below: dict[str, set[str]] = {module: set() for module in MODULES}
    for module, target in edges():
        below[module].add(target)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            new = below[ahead.pop()] - seen
            seen |= new
            ahead += new
        return seen

    reachable = {module: reached(module) for module in MODULES}
    return {(module, target) for module, target in edges() if module in reachable[target]}


def shown(pairs: set[tuple[str, str]]) -> str:
    return "\n" + "\n".join(f"{module or PACKAGE} imports {target}" for module, target in sorted(pairs))


def test_each_layer_imports_only_layers_below_it() -> None:
    new = against_layers()
    assert not new, f"move what both need into a layer that both may import (see LAYERS):{shown(new)}"


def test_no_two_modules_import_each_other() -> None:
    new = in_circles()
    assert not new, f"move what both need into a module of its own; these lead back to themselves:{shown(new)}"


def test_every_layer_has_modules() -> None:
    assert {layer_of(module) for module in MODULES} == set(LAYERS)


@pytest.mark.parametrize(
    ("module", "statement", "target"),
    [
        ("delivery.keys", "from ..clients import errors", "clients.errors"),
        ("delivery.broker.transport", "from ...clients.errors import Timeout", "clients.errors"),
        ("delivery.worker.consumer", "from . import lease", "delivery.worker.lease"),
        ("delivery.broker.transport", "from ..worker.lease import Lease", "delivery.worker.lease"),
        ("delivery", "from .worker.lease import Lease", "delivery.worker.lease"),
        ("tasks.archival", "from ..app import app", "tasks.app"),
        ("delivery.broker.transport", "import memory_graph_workers.clients.errors", "clients.errors"),
        ("delivery.broker.transport", "from memory_graph_workers import clients", "clients"),
        ("delivery.broker.transport", "from memory_graph_workers.clients import errors", "clients.errors"),
        ("delivery.broker.transport", "import celery", None),
    ],
)
def test_an_import_is_understood_however_it_is_written(module: str, statement: str, target: str | None) -> None:
    (name,) = absolute_names(module, ast.parse(statement).body[0])
    assert resolved(name) == target
