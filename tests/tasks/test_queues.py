"""To which queues a task can be sent."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import chain, group
from celery.exceptions import QueueNotFound
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.registry import get_session

MISSPELT = ["memory_graph.regstry", "registry", "celery", "MEMORY_GRAPH.REGISTRY", "memory_graph.registry "]
WAYS: dict[str, Callable[[str], Any]] = {
    "apply_async": lambda queue: get_session.apply_async(("s",), queue=queue),
    "a signature": lambda queue: get_session.s("s").set(queue=queue).apply_async(),
    "a chain": lambda queue: chain(get_session.si("s").set(queue=queue), get_session.si("t")).apply_async(),
    "a group": lambda queue: group(get_session.si("s").set(queue=queue)).apply_async(),
    "by name": lambda queue: app.send_task(get_session.name, ("s",), queue=queue),
}


@pytest.mark.parametrize("queue", MISSPELT)
@pytest.mark.parametrize("send", WAYS.values(), ids=list(WAYS))
def test_a_queue_that_is_not_declared_is_refused_before_anything_is_sent(
    send: Callable[[str], Any], queue: str
) -> None:
    with pytest.raises(QueueNotFound, match=queue.strip()):
        send(queue)


def test_every_task_has_a_queue_of_this_app() -> None:
    for name in app.tasks:
        assert app.amqp.router.route({}, name)["queue"].name in app.amqp.queues


@pytest.mark.parametrize("queue", ["memory_graph.registry", "memory_graph.vault", "memory_graph.health"])
def test_a_task_may_go_to_any_queue_of_this_app(queue: str) -> None:
    assert app.amqp.router.route({"queue": queue}, get_session.name)["queue"].name == queue
