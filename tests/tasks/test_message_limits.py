"""What every worker would set aside is refused where it is sent, by the worker's own rule."""

from contextlib import nullcontext
from typing import Any

import pytest
from celery import chain
from kombu import Connection
from memory_graph_workers.delivery.broker.transport import broker_settings
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.tasks.vault import archive_session, batch_archive
from support.broker import Broker
from support.broker import broker as broker


def entry(**changes: Any) -> dict[str, Any]:
    return {"session_id": "s", "data": "x", "retention_days": 30, **changes}


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.parametrize(
    "call",
    [
        entry(metadata=nested(98)),
        entry(metadata=nested(100)),
        entry(data=nested(98)),
        entry(data=[nested(98)]),
        entry(data="x" * 40 * 2**20),
    ],
    ids=["metadata of 98 levels", "metadata of 100 levels", "data of 98 levels", "data of 99 levels", "40 MiB"],
)
@pytest.mark.parametrize("send", [lambda task: task, lambda task: chain(task, task)])
def test_nothing_is_sent_that_a_worker_would_set_aside(broker: Broker, call: dict[str, Any], send: Any) -> None:
    settings = broker_settings(broker.url)
    with (
        Connection(settings["broker_url"], transport=settings["broker_transport"]) as connection,
        pytest.raises(ValidationError, match="a worker would set it aside"),
    ):
        send(archive_session.si(**call).set(ignore_result=True)).apply_async(connection=connection)
    assert not broker.redis.exists("memory_graph.vault")


@pytest.mark.parametrize("part", ["data", "metadata"])
@pytest.mark.parametrize(
    ("task", "call", "levels"),
    [(archive_session, lambda inner: inner, 97), (batch_archive, lambda inner: {"entries": [inner]}, 96)],
    ids=["one entry", "a list of entries"],
)
def test_the_levels_that_a_message_has_around_a_payload_count(
    broker: Broker, task: Any, call: Any, levels: int, part: str
) -> None:
    settings = broker_settings(broker.url)
    with Connection(settings["broker_url"], transport=settings["broker_transport"]) as connection:
        for more, refusal in ((0, None), (1, "100 levels"), (4, "100 levels")):
            sent = task.si(**call(entry(**{part: nested(levels + more)}))).set(ignore_result=True)
            with pytest.raises(ValidationError, match=refusal) if refusal else nullcontext():
                sent.apply_async(connection=connection)
    assert broker.redis.llen("memory_graph.vault") == 1
