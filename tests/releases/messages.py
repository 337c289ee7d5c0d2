"""Samples of what a release keeps in Redis: messages on queues, and dead letters."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from redis import Redis
from releases.producer import CALLS, fixed
from support.broker import Broker
from support.fakes.http_server import Connection, FakeServer, Received, Step, answer, cut, hang
from support.waiting import until

QUEUES = "memory_graph.*"
LETTERS = "memory_graph:dead*"
WORKER = "sample-worker"
_HERE = Path(__file__).parent


class Queues:
    """The queues of a broker without a worker."""

    def __init__(self, broker: Broker) -> None:
        self.redis: Any = broker.redis
        self.environ = {**os.environ, "REDIS_URL": broker.url, "PYTHONPATH": str(_HERE.parent)}

    @contextmanager
    def program(self, name: str) -> "Iterator[subprocess.Popen[str]]":
        """Run a program of this folder; it must end well."""
        command = [sys.executable, "-m", f"releases.{name}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=self.environ, text=True, **pipes) as process:
            yield process
            process.communicate()
        if process.returncode:
            raise RuntimeError(f"releases.{name} ended with {process.returncode}")

    def taken(self) -> list[dict[str, str]]:
        """Take what was pushed: the queue's key, and the item as text."""
        return list(self._taken())

    def _taken(self) -> Iterator[dict[str, str]]:
        for key in sorted(self.redis.keys(QUEUES)):
            if self.redis.type(key) == b"list":
                while item := self.redis.rpop(key):
                    yield {"queue": key.decode(), "item": _anonymous(item)}


def _anonymous(item: bytes) -> str:
    """An item without the name of this machine."""
    return item.decode().replace(f"@{socket.gethostname()}", "@producer")


def push(redis: Any, messages: Iterable[Mapping[str, str]]) -> None:
    """Push samples to their queues."""
    for message in messages:
        redis.lpush(message["queue"], message["item"])


def messages_of(broker: Broker) -> list[dict[str, str]]:
    """One message of each task, and some with options; each with the name of its sample."""
    queues, found = Queues(broker), list[dict[str, str]]()
    with queues.program("producer") as program:
        for name in CALLS:
            print(name, file=program.stdin, flush=True)
            if cast(Any, program.stdout).readline() != "sent\n":
                raise RuntimeError(f"{name} was not sent")
            found += [{"sample": name, **one} for one in queues.taken()]
    return found


def kept_letters(broker: Broker) -> dict[str, Any]:
    """The Redis keys of all dead letters: type and value of each."""
    redis: Any = broker.redis
    found: dict[str, Any] = {}
    for key in sorted(redis.keys(LETTERS)):
        kind = redis.type(key).decode()
        found[key.decode()] = {"type": kind, "value": _READ[kind](redis, key)}
    return found


def restore_letters(redis: "Redis", kept: Mapping[str, Any]) -> None:
    """Write the keys of dead letters as `kept_letters` read them."""
    writers: dict[str, Any] = {
        "hash": lambda key, value: redis.hset(key, mapping=value),
        "zset": redis.zadd,
        "string": redis.set,
    }
    for key, one in kept.items():
        writers[one["type"]](key, one["value"])


_READ: dict[str, Any] = {
    "hash": lambda redis, key: {name.decode(): value.decode() for name, value in sorted(redis.hgetall(key).items())},
    "zset": lambda redis, key: {name.decode(): score for name, score in redis.zrange(key, 0, -1, withscores=True)},
    "string": lambda redis, key: redis.get(key).decode(),
}


class _Registry(FakeServer):
    """A Registry that fails in the way that the model's or session's id says."""

    def __init__(self) -> None:
        super().__init__()
        self.worker: int = 0

    def next_step(self, received: Received) -> Step:
        if received.method == "POST":
            return cut
        name = received.path.rpartition("/")[2]
        steps = {"busy": answer(503), "slow": hang, "deadly": self._kill}
        return steps.get(name, answer(404, {"code": 404, "status": "Not Found", "message": "There is none."}))

    def _kill(self, connection: Connection) -> None:
        """Kill the worker's children, as the system does when memory is short."""
        children = Path(f"/proc/{self.worker}/task/{self.worker}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)


def make_letters(broker: Broker, folder: Path) -> None:
    """Let a real worker write a dead letter of each reason."""
    queues = Queues(broker)
    with queues.program("letters_producer"):
        pass
    sent = queues.taken()
    time.sleep(1.5)  # until one has expired
    push(broker.redis, [*sent, *_junk(sent[0])])
    with _Registry() as registry, _worker(broker, registry, folder) as worker:
        registry.worker = worker
        until(lambda: is_idle(broker.redis), (folder / "worker.log").read_text)


def _junk(like: dict[str, str]) -> list[dict[str, str]]:
    """Messages that are no tasks: one of other arguments, one that cannot be decoded, and one that is no envelope."""
    item = json.loads(like["item"])
    item["properties"]["delivery_tag"] = fixed("invalid")
    item["headers"]["id"] = fixed("invalid message")
    other = {**item, "body": base64.b64encode(b'{"not": "a call"}').decode()}
    item["headers"] = {**item["headers"], "id": fixed("undecodable")}
    item["properties"] = {**item["properties"], "delivery_tag": fixed("undecodable")}
    undecodable = {**item, "body": base64.b64encode(b"\xff no JSON").decode()}
    texts = [json.dumps(other), json.dumps(undecodable), "no envelope"]
    return [{"queue": like["queue"], "item": text} for text in texts]


@contextmanager
def _worker(broker: Broker, registry: FakeServer, folder: Path) -> Iterator[int]:
    settings = {
        "REDIS_URL": broker.url,
        "REGISTRY_URL": registry.url,
        "REGISTRY_HONOURS_IDEMPOTENCY": "false",
        "VAULT_API_KEY": "sample",
        "TASK_MAX_ATTEMPTS": "1",
        "BREAKER_FAILURES": "100",
    }
    options = ["--pool", "prefork", "-c", "1", "--without-mingle", "--without-gossip", "-n", f"{WORKER}@sample"]
    command = [sys.executable, "-m", "celery", "-A", "memory_graph_workers.tasks.app", "worker", *options]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def is_idle(redis: Any) -> bool:
    """Whether nothing waits on a queue and nothing is in-flight."""
    queues = [key for key in redis.keys(QUEUES) if redis.type(key) == b"list"]
    return not queues and not redis.hlen("unacked")
