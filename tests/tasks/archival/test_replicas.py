"""The state of a sweep counts as written once replicas have it."""

import signal
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from memory_graph_workers.clients.paging import Cursor
from memory_graph_workers.delivery import DeliveryUncertain
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import Sweeps
from support.broker import Broker
from support.broker import broker as broker
from support.replicas import Replica
from support.replicas import replica as replica

PAGE = Page(Position(), {"batch": ["a"]}, Cursor(2, 1, "a"))


@contextmanager
def sweeps(broker: Broker) -> Generator[Sweeps]:
    """As another worker has them, over connections of its own."""
    with connect(broker.url, timeout_secs=3, connect_timeout_secs=3) as client:
        yield Sweeps(client, min_replicas=1)


def test_a_page_is_kept_once_a_replica_has_it(broker: Broker, replica: Replica) -> None:
    replica.start()
    with sweeps(broker) as state:
        assert state.begin("one", Trigger.MANUAL, now())
    replica.signal(signal.SIGSTOP)
    for _ in range(2):  # the second attempt finds it there, and waits as well
        with sweeps(broker) as state, pytest.raises(DeliveryUncertain, match="Do the same again"):
            state.keep_page("one", PAGE)
    replica.signal(signal.SIGCONT)
    with sweeps(broker) as state:
        assert not state.keep_page("one", PAGE)
        assert state.pending_batches("one") == {"batch": ["a"]}
