"""What is shown of a task's arguments: the size of its message, whoever sent it and whatever he said of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from memory_graph_workers.delivery.redaction import HIDDEN, SIZE, size_of
from memory_graph_workers.delivery.worker.request import Request

TEXT = "canary שלום " * 200


@pytest.fixture
def broker() -> Iterator[Connection]:
    with Connection("memory://") as broker:
        yield broker


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.task(work, name="work")
    yield app
    app.close()


def work(text: str) -> str:
    return text


def received(app: Celery, broker: Connection, **sent: Any) -> Any:
    app.send_task("work", connection=broker, queue="work", **sent)
    message = broker.SimpleQueue("work").get(timeout=5)
    message.ack()
    return message


def test_an_event_says_how_large_the_message_is_and_nothing_that_its_sender_said(
    app: Celery, broker: Connection
) -> None:
    message = received(app, broker, kwargs={"text": TEXT}, argsrepr=TEXT, kwargsrepr=TEXT, shadow=TEXT)
    request = Request(message, app=app)
    assert len(TEXT) < int(request.argsrepr.split()[0].replace(",", "")) == len(message.body)
    assert request.kwargsrepr == HIDDEN
    assert "canary" not in repr([request.info(), request.name])


def test_the_size_does_not_depend_on_how_the_message_travelled(app: Celery, broker: Connection) -> None:
    plain = size_of(received(app, broker, args=[TEXT]))
    assert size_of(received(app, broker, args=[TEXT], compression="zlib")) == plain
    assert SIZE.fullmatch(plain)


@pytest.mark.parametrize(("body", "size"), [(None, "0"), (b"", "0"), ("é\ud800", "5"), (b"x" * 1234567, "1,234,567")])
def test_any_body_has_a_size(body: Any, size: str) -> None:
    class Message:
        pass

    message: Any = Message()
    message.body = body
    assert size_of(message) == f"{size} bytes in all"
