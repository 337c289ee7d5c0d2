"""The whole register of tasks: nothing is missing, nothing is renamed, everything goes to its queue."""

import inspect
from pathlib import Path

import pytest
from memory_graph_workers.beat_schedule import entries
from memory_graph_workers.clients.config import SchedulerConfig
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.tasks import archival, registry, vault
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.operation import CheckedTask

FROZEN = Path(__file__).with_name("task_names.txt")

# As docs/contract/wire.md lists them.
OPERATIONS = [
    ("registry", "register_session"),
    ("registry", "list_sessions"),
    ("registry", "get_session"),
    ("registry", "update_session_status"),
    ("registry", "reopen_session"),
    ("registry", "delete_session"),
    ("registry", "list_models"),
    ("registry", "get_model_metadata"),
    ("registry", "track_usage"),
    ("registry", "get_session_usage"),
    ("registry", "get_model_usage"),
    ("registry", "health_check"),
    ("vault", "archive_session"),
    ("vault", "batch_archive"),
    ("vault", "retrieve_session"),
    ("vault", "delete_archive"),
    ("vault", "create_retention_policy"),
    ("vault", "apply_retention_policy"),
    ("vault", "health_check"),
]
CLIENTS = {"registry": RegistryClient, "vault": VaultClient}
MODULES = {"registry": registry, "vault": vault}
OURS = sorted(name for name in app.tasks if name.startswith("memory_graph."))


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_every_operation_of_the_contract_is_a_method_and_a_task(service: str, operation: str) -> None:
    method = getattr(CLIENTS[service], operation)
    task = getattr(MODULES[service], operation)
    assert task.name == f"memory_graph.{service}.{operation}"
    assert task.__doc__ == method.__doc__
    assert app.tasks[task.name] is task


def test_names_and_parameters_are_those_that_producers_were_promised() -> None:
    assert [f"{name}{app.tasks[name].parameters.shown}" for name in OURS] == FROZEN.read_text().splitlines()


@pytest.mark.parametrize("name", OURS)
def test_a_task_goes_to_the_queue_of_its_service(name: str) -> None:
    service = "health" if name.endswith(("health_check", "archival.watch")) else name.split(".")[1]
    assert app.amqp.router.route({}, name)["queue"].name == f"memory_graph.{service}"


@pytest.mark.parametrize("name", OURS)
def test_a_task_is_delivered_as_the_design_says(name: str) -> None:
    task = app.tasks[name]
    assert isinstance(task, CheckedTask)
    assert task.acks_late
    assert task.reject_on_worker_lost
    assert task.resultrepr_maxsize == 0
    assert task.__doc__


@pytest.mark.parametrize("name", OURS)
def test_a_result_is_kept_only_where_the_task_answers_something(name: str) -> None:
    task = app.tasks[name]
    silent = {"delete_session", "track_usage", "track_usage_batch", "delete_archive", "apply_retention_policy"}
    silent |= {"walk_page", "archive_batch"}
    assert task.ignore_result == (name.rpartition(".")[2] in silent)


def test_every_entry_of_beat_names_a_task_and_parameters_that_it_takes() -> None:
    for entry in entries(SchedulerConfig()).values():
        app.tasks[entry["task"]].parameters.to_send((), entry.get("kwargs", {}))


def test_every_task_module_is_imported_by_a_worker() -> None:
    modules = {inspect.getmodule(type(app.tasks[name]).run).__name__ for name in OURS}  # type: ignore[union-attr]
    assert modules == {"memory_graph_workers.tasks.operation"}
    assert {registry.__name__, vault.__name__, archival.__name__} == set(app.conf.imports)
