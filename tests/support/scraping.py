"""An exporter over an app with three queues and two services, and what it says."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu import Queue
from memory_graph_workers.cli.metrics.exporter import Exporter
from memory_graph_workers.cli.metrics.http_server import HttpServer
from memory_graph_workers.cli.stack.ports import LOOPBACK
from memory_graph_workers.cli.target import Target
from memory_graph_workers.delivery import install
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.waiting import SOON_SECS

QUEUES = ("orders", "payments", "mails")


class Breaker:
    """A service's circuit breaker."""

    state = "closed"


def order() -> None:
    """A task that nobody runs."""


def target_at(url: str, queues: tuple[str, ...] = QUEUES, **options: Any) -> Target:
    app = Celery("shop", set_as_current=False)
    app.conf.update(task_queues=[Queue(name) for name in queues], task_default_queue=queues[0])
    app.task(order, name="order")
    needs = {"payments": ["bank"], "mails": ["bank", "post"]}
    given = {"needs": needs, "breaker": lambda service: Breaker(), **options}
    return Target(app, install(app, url, **given), "shop:app", is_ours=False)


def text_of(exporter: Exporter) -> str:
    return generate_latest(exporter.registry).decode()


def scraped(exporter: Exporter) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of their names."""
    return parsed(text_of(exporter))


def parsed(text: str) -> dict[tuple[str, ...], float]:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(one.name, *(one.labels[name] for name in sorted(one.labels))): one.value for one in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def by_name(found: dict[tuple[str, ...], float], name: str) -> dict[str, float]:
    """The samples of a metric, each by the value of its first label."""
    return {key[1]: value for key, value in found.items() if key[0] == f"mgw_{name}"}


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """What an exporter on this host says."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SOON_SECS)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    with response:
        text = response.read().decode()
    connection.close()
    return parsed(text)


@contextmanager
def served(server: HttpServer) -> Iterator[int]:
    """Serve in this process; yields the port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
