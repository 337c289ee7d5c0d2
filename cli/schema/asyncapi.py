"""The AsyncAPI document: every queue, every task message, every result and dead letters."""

from importlib.metadata import metadata
from typing import Any

from ...delivery import installed
from ...schemas.json_schema import components, name_of
from ...tasks.app import ARCHIVAL, HEALTH, REGISTRY, VAULT, app
from ...tasks.operation import CheckedTask
from .message import EMBED, FAILURE, HEADERS, LIST_ITEM, REFS, body, dead_letter, success
from .task import answer, calls, every_task, explained

_QUEUES = {
    REGISTRY: "Tasks that call LLM-Registry.",
    VAULT: "Tasks that call Data-Vault.",
    ARCHIVAL: "The archival sweep, and archiving by hand.",
    HEALTH: "Health checks, which never wait behind work.",
}
_DEAD = {
    "address": installed(app).unprefixed_keys.letters,
    "title": "Dead letters",
    "description": "A Redis hash of the messages that failed for good, each under its task's id (HGET).",
    "messages": {"dead_letter": {"$ref": "#/components/messages/dead_letter"}},
}
_RESULTS = {
    "address": "celery-task-meta-{task_id}",
    "title": "Results",
    "description": (
        "A Redis key that holds a task's result until it expires, and a channel of the same name on which the same"
        " text is published once. There is neither if the result is not kept."
    ),
    "parameters": {"task_id": {"description": "The id in the task's headers."}},
}


def document() -> dict[str, Any]:
    """The whole AsyncAPI 3.0 document; it describes the worker."""
    tasks = every_task()
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {**_queues(tasks), "results": _results(tasks), "dead_letters": _DEAD},
        "operations": {name: _operation(task) for name, task in tasks.items()} | {"keep_dead_letter": _keeping()},
        "components": {
            "messages": _messages(tasks),
            "schemas": _schemas(tasks),
            "securitySchemes": {"password": {"type": "userPassword", "description": "Redis AUTH."}},
        },
    }


def _info() -> dict[str, Any]:
    package = metadata("memory-graph-workers")
    return {
        "title": package["Name"],
        "version": package["Version"],
        "description": package["Summary"],
        "license": {"name": package["License-Expression"]},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "localhost:6379",
        "pathname": "/0",
        "protocol": "redis",
        "description": "The Redis server of REDIS_URL; use rediss:// if it is on another machine.",
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    }


def _queues(tasks: dict[str, CheckedTask[Any]]) -> dict[str, Any]:
    return {
        _short(queue): {
            "address": queue,
            "title": queue,
            "description": f"{description} A Redis list; its items follow the schema `ListItem`.",
            "messages": {
                name: {"$ref": f"#/components/messages/{name}"}
                for name, task in tasks.items()
                if queue_of(task) == queue
            },
            "x-list-item": {"$ref": f"{REFS}ListItem"},
        }
        for queue, description in _QUEUES.items()
    }


def _results(tasks: dict[str, CheckedTask[Any]]) -> dict[str, Any]:
    names = [f"{name}.answer" for name, task in tasks.items() if task.parameters.answers]
    return {**_RESULTS, "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in [*names, "failure"]}}


def _operation(task: CheckedTask[Any]) -> dict[str, Any]:
    channel = f"#/channels/{_short(queue_of(task))}"
    made: dict[str, Any] = {
        "action": "receive",
        "channel": {"$ref": channel},
        "summary": explained(task).partition("\n")[0],
        "messages": [{"$ref": f"{channel}/messages/{task.name}"}],
        **({"x-internal": True} if task.inner else {}),
    }
    if task.parameters.answers:
        answers = [f"{task.name}.answer", "failure"]
        replies = [{"$ref": f"#/channels/results/messages/{name}"} for name in answers]
        made["reply"] = {"channel": {"$ref": "#/channels/results"}, "messages": replies}
    return made


def _keeping() -> dict[str, Any]:
    channel = "#/channels/dead_letters"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": "Keep a message that failed for good, before it is acknowledged.",
        "messages": [{"$ref": f"{channel}/messages/dead_letter"}],
    }


def _messages(tasks: dict[str, CheckedTask[Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, task in tasks.items():
        made[name] = {
            "name": name,
            "title": name.rpartition(".")[2],
            "description": explained(task),
            "contentType": "application/json",
            "headers": _headers(name),
            "payload": body([name_of(way) for way in calls(task)]),
        }
        if task.parameters.answers:
            made[f"{name}.answer"] = _message(f"{name}.answer", f"The result of {name}.")
    return made | {
        "failure": _message("Failure", "A task that failed for good."),
        "dead_letter": _message("DeadLetter", "A message that failed for good, with the reason."),
    }


def _headers(name: str) -> dict[str, Any]:
    own = {"properties": {"task": {"const": name}}}
    return {"type": "object", "allOf": [{"$ref": f"{REFS}TaskHeaders"}, own]}


def _message(schema: str, summary: str) -> dict[str, Any]:
    return {"summary": summary, "contentType": "application/json", "payload": {"$ref": REFS + schema}}


def _schemas(tasks: dict[str, CheckedTask[Any]]) -> dict[str, Any]:
    found = components(*(way for task in tasks.values() for way in (*calls(task), *_answers(task))))
    for task in tasks.values():
        for holder in _answers(task):
            found[name_of(holder)] = success(found[name_of(holder)]["properties"]["result"])
    celerys = {"TaskHeaders": HEADERS, "Following": EMBED, "ListItem": LIST_ITEM, "Failure": FAILURE}
    return found | celerys | {"DeadLetter": dead_letter()}


def _answers(task: CheckedTask[Any]) -> list[Any]:
    return [answer(task)] if task.parameters.answers else []


def queue_of(task: CheckedTask[Any]) -> str:
    """The queue that a task goes to."""
    return app.amqp.router.route({}, task.name)["queue"].name


def _short(queue: str) -> str:
    return queue.rpartition(".")[2]
