"""The queues of an app, and the lists in Redis that they are made of."""

from collections.abc import Iterator
from typing import Any

from celery.exceptions import QueueNotFound
from kombu.transport.redis import PRIORITY_STEPS, Channel


def queues_of(app: Any, needs: Any = ()) -> list[str]:
    """The queues that an app declares, that its tasks go to, and that `install` was told of; nothing is declared."""
    declared = dict(app.amqp.queues)
    found = list(dict.fromkeys((*declared, *_routed(app), *needs)))
    for added in set(app.amqp.queues) - set(
        declared
    ):  # a router declares what is missing, and a worker would consume it
        app.amqp.queues.pop(added)
    return found


def lists_of(app: Any, queue: str) -> list[str]:
    """The lists of a queue, one per priority, without prefix."""
    options = app.conf.broker_transport_options
    separator, steps = options.get("sep", Channel.sep), options.get("priority_steps", PRIORITY_STEPS)
    return [f"{queue}{separator}{step}" if step else queue for step in steps]


def _routed(app: Any) -> Iterator[str]:
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            own = getattr(task, "queue", None)
            try:
                yield app.amqp.router.route({"queue": own} if own else {}, name)["queue"].name
            except QueueNotFound:
                continue  # it can only be sent with a queue of the caller's
