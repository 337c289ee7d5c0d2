"""The app of `tests/delivery/delivery_app.py` as producers and tools have it: it knows tasks by name, and runs none."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from celery import Celery
from memory_graph_workers.delivery import KeptTask, install, installed
from support.broker import close


def app_at(url: str, tasks: Iterable[str] = (), **options: Any) -> Celery:
    """The app on the Redis at an address; `options` go to `install`."""
    app = Celery("delivery", set_as_current=False)
    app.conf.update(result_backend=url, task_default_queue="work")
    install(app, url, **{"unacked_key": "unacked", **options})
    for name in tasks:
        app.task(name=name, base=KeptTask)(_runs_elsewhere)
    return app


@contextmanager
def producer_at(url: str, tasks: Iterable[str] = (), **options: Any) -> Generator[Celery]:
    """The same, closed at the end."""
    app = app_at(url, tasks, **options)
    try:
        yield app
    finally:
        installed(app).redis.close()
        close(app)


def _runs_elsewhere(*args: Any) -> None:
    """What these tests send runs in a worker."""
