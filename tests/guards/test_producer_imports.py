"""What a producer loads: to send, it needs nothing of what a worker calls services with."""

import subprocess
import sys

HEAVY = {"requests", "pybreaker", "tornado", "grpc", "sqlalchemy", "flask", "flower", "rich", "apispec"}
OURS = {
    f"memory_graph_workers.{name}"
    for name in (
        *("schemas.vault", "clients.http", "clients.breaker", "delivery.held_queues.leading"),
        *("tasks.tracing", "tracing.recording"),
    )
}


def test_a_producer_loads_only_what_sending_takes() -> None:
    code = "import sys, memory_graph_workers.tasks.registry, memory_graph_workers.tasks.usage; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not loaded & (HEAVY | OURS)


def test_a_worker_loads_before_it_forks_what_its_children_call_with() -> None:
    code = """
import sys
from memory_graph_workers.tasks.app import app, load_before_the_fork
load_before_the_fork(app.WorkController(app=app))
print(*sys.modules)
"""
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert {"memory_graph_workers.clients.http", "requests"} <= loaded


def test_delivery_loads_nothing_of_ours_and_none_of_our_libraries() -> None:
    code = """
import importlib, pkgutil, sys
from memory_graph_workers import delivery
for module in pkgutil.walk_packages(delivery.__path__, delivery.__name__ + "."):
    importlib.import_module(module.name)
print(*sys.modules)
"""
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    ours = {name for name in loaded if name.startswith("memory_graph_workers.") and ".delivery" not in name}
    assert not ours
    assert not loaded & {"marshmallow", "requests", "pybreaker", "structlog", *HEAVY}
