"""The result store: what a producer that waits for results leaves behind when a connection is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from support.broker import Broker
from support.delivery_producer import producer_at
from support.waiting import until


@pytest.fixture
def app(broker: Broker) -> Iterator[Celery]:
    with producer_at(broker.url) as app:
        yield app


def test_a_subscription_is_made_again_and_what_was_lost_is_closed(broker: Broker, app: Celery) -> None:
    result = app.send_task("good", (1,))
    channel = f"celery-task-meta-{result.id}".encode()
    consumer: Any = app.backend.result_consumer
    idle = app.backend.client.connection_pool.get_connection()
    app.backend.client.connection_pool.release(idle)
    before = [consumer._pubsub.connection, idle]
    assert all(connection.is_connected for connection in before)

    broker.redis.client_kill_filter(_type="pubsub")
    until(lambda: consumer.drain_events(timeout=0.1) or _subscribers(broker, channel) == 1)
    assert consumer._pubsub.connection not in before
    assert not any(connection.is_connected for connection in before)


def _subscribers(broker: Broker, channel: bytes) -> int:
    return dict(broker.redis.pubsub_numsub(channel))[channel]
