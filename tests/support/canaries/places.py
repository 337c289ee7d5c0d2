"""Where a word could be: Redis key by key, Flower page by page, files, command lines, events."""

import base64
import contextlib
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Celery
from memory_graph_workers.cli.stack.stack import Stack
from redis import Redis

WORKER_PAGES = ("/worker/{worker}", "/api/workers?refresh=1", "/api/workers?refresh=1&workername={worker}")
PAGES = (
    "/", "/?json=1", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks?limit=1000",
    "/queues", "/sweeps", "/dead-letters", "/doctor",
    "/api/task/types", "/api/queues/length", "/api/workers?status=1", "/metrics", "/nowhere",
    "/tasks/datatable?draw=1&start=0&length=1000&order%5B0%5D%5Bcolumn%5D=0&columns%5B0%5D%5Bdata%5D=name",
)  # fmt: skip
TASK_PAGES = ("/task/{id}", "/api/task/info/{id}", "/api/task/result/{id}")


class Events:
    """Every event that a worker sends from now on."""

    def __init__(self, url: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self._app = Celery(broker=url, set_as_current=False)
        self._connection = self._app.connection_for_read()
        self._receiver = self._app.events.Receiver(self._connection, handlers={"*": self.seen.append})
        self._thread = threading.Thread(target=self._capture, daemon=True)
        self._thread.start()

    def _capture(self) -> None:
        with contextlib.suppress(OSError):
            self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def stop(self) -> None:
        self._receiver.should_stop = True
        self._thread.join(5)
        self._connection.release()
        self._app.close()


def in_redis(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Every key, and all that is in it."""
    for key in sorted(redis.scan_iter(count=1000)):
        kind = redis.type(key).decode()
        read: dict[str, Any] = {
            "string": redis.get,
            "list": lambda key: redis.lrange(key, 0, -1),
            "hash": redis.hgetall,
            "set": redis.smembers,
            "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        }
        yield key.decode(errors="replace"), key + b" " + repr(read[kind](key)).encode()


def page(port: int, path: str, password: str | None = None, posted: str | None = None) -> tuple[int, str]:
    """The status and the text of one of Flower's pages, or of what is posted to it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    login = base64.b64encode(f"mgw:{password}".encode()).decode()
    try:
        headers = {"Authorization": f"Basic {login}"} if password else {}
        connection.request("POST" if posted else "GET", path, posted, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def command_lines() -> bytes:
    """The command line of every process of this machine, which everybody may read."""
    found = b""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += process.read_bytes() + b"\n"
    return found


def environments(word: bytes) -> bytes:
    """What those programs of this machine were told by their environment that have the word on their command line."""
    found = b""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (process / "cmdline").read_bytes().split(b"\0"):
                found += (process / "environ").read_bytes()
    return found


def files(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every file that the stack has written."""
    for path in sorted(stack.directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(stack.directory)), path.read_bytes()
