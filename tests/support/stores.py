"""What a stack keeps its messages and its state in, where `ACCEPTANCE_ON` asks for more than the stack's own broker."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memory_graph_workers.cli.stack.stack import Stack
from support.broker import Broker
from support.clusters import Cluster
from support.sentinels import Watched
from support.servers import ON, PREFIX

Store = Broker | Watched | Cluster


@contextmanager
def store_for(stack: Stack, folder: Path) -> Generator[Store | None]:
    """Let a stack whose services have started use a store of the kind that is asked for; None is its own broker."""
    if ON == "valkey":
        yield None
        return
    store = _made(folder)
    stack.environ |= {"REDIS_URL": store.url, **({"KEY_PREFIX": PREFIX} if PREFIX else {})}
    try:
        if not isinstance(store, Broker):
            store.begin()
        yield store
    finally:
        if isinstance(store, Broker):
            store.redis.close()
        store.stop()


def lose(store: Store) -> None:
    """Let the server that has the messages end, and another one, or itself again, take over."""
    match store:
        case Watched():
            store.lose_primary()
        case Cluster():
            store.lose_owner()
        case Broker():
            store.stop()
            store.start()


def _made(folder: Path) -> Store:
    folder.mkdir()
    match ON:
        case "sentinel":
            return Watched(folder)
        case "cluster":
            return Cluster(folder, "mgw")
        case _:
            return Broker(folder)
