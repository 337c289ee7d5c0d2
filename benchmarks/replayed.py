"""Many workers in one process: `python replayed.py FIRST MANY SECS`.

Each has its own channels, pace and connections, and Celery's and our own steps that speak to Redis by the clock, so it
sends what a worker sends. It has neither Celery's loop nor a pool: a task is a pause of SECS. What happens is told as
lines of JSON: a worker is ready, took a message, or tried to connect, and when by the monotonic clock.
"""

import json
import logging
import select
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any

from celery.worker.heartbeat import Heart
from kombu.asynchronous.timer import Timer
from kombu.exceptions import OperationalError
from memory_graph_workers.delivery.broker.pace import Pace
from memory_graph_workers.delivery.broker.transport import Channel
from memory_graph_workers.delivery.held_queues.leading import Lead
from memory_graph_workers.delivery.worker.consumer import Consumer
from memory_graph_workers.delivery.worker.lease import Lease
from memory_graph_workers.delivery.worker.presence import Presence
from memory_graph_workers.tasks.app import app
from redis.exceptions import RedisError

TURN_SECS = 0.05  # of a worker's loop
SLICES = 25  # of a turn, so that the workers do not look at one moment
TIMER: Any = Timer()
POLL: Any = select.epoll()
CONNECTED: "SimpleQueue[Replayed]" = SimpleQueue()
LOST = (RedisError, OSError, OperationalError)
READERS: dict[int, tuple["Replayed", Any]] = {}


class Heartbeat(Heart):
    """Celery's heartbeat events; one that cannot be sent is not tried again, for many workers share this loop."""

    def _send(self, event: str, retry: bool = False) -> Any:
        return super()._send(event, retry=False)


class Replayed:
    """One worker, as Redis sees it."""

    def __init__(self, number: int, secs: float) -> None:
        self.number, self.secs, self.is_up, self.connects = number, secs, False, 0
        self.kind: Any = type("ReplayedChannel", (Channel,), {"pace": Pace()})
        self.parent: Any = SimpleNamespace(app=app, hostname=f"replayed-{number}@bench", timer=TIMER, heart=None)
        self.steps: list[Any] = [Lease(self.parent), Presence(self.parent), Lead(self.parent)]
        self.repeated: list[Any] = []
        self.connect()

    def connect(self) -> None:
        """Connect in a thread, as the worker's consumer does it: it tries until it succeeds."""
        self.connection: Any = app.connection_for_read()
        self.connection.transport.Channel = self.kind
        self.connection.transport.in_loop = True
        plain = self.connection.ensure_connection
        Channel.pace = self.kind.pace  # which the consumer asks how many workers come back with it
        before = SimpleNamespace(restart_count=self.connects)
        self.connects += 1

        def tried(**options: Any) -> Any:
            self.tell("tried")
            return plain(**options)

        self.connection.ensure_connection = tried

        def run() -> None:
            Consumer.ensure_connected(before, self.connection)
            CONNECTED.put(self)

        threading.Thread(target=run, daemon=True).start()

    def open(self) -> None:
        """Consume the queues, listen to broadcasts, send heartbeats, and start what works by the clock."""
        self.dispatcher = app.events.Dispatcher(app.connection_for_write(), hostname=self.parent.hostname)
        self.parent.heart = Heartbeat(TIMER, self.dispatcher)
        self.parent.heart.start()
        consumer: Any = app.amqp.TaskConsumer(self.connection)
        self.channel = consumer.channel
        self.parent.task_consumer = consumer
        self.channel.basic_qos(0, 1, False)
        consumer.on_message = self.took
        consumer.consume()
        node: Any = app.control.mailbox.Node(self.parent.hostname, channel=self.connection.channel())
        node.listen(callback=lambda *_: None)
        self._read(node.channel.subclient, node.channel._receive)
        node.channel._subscribe()
        for step in self.steps:
            step.start(self.parent)
        self.repeated = [TIMER.call_repeatedly(self.channel.unacked_restore_interval, self.restore)]
        self._read(self.channel.client, self.channel._brpop_read)
        self.is_up = True
        self.tell("ready")

    def _read(self, client: Any, read: Any) -> None:
        if client.connection is None:
            client.connection = client.connection_pool.get_connection()
        number = client.connection._sock.fileno()
        READERS[number] = self, read
        POLL.register(number, select.EPOLLIN)

    def restore(self) -> None:
        """What kombu's timer calls."""
        limit, throttle = self.channel.unacked_restore_limit, self.channel.unacked_restore_throttle
        self.safely(self.channel.qos.restore_visible, num=limit, interval=throttle)

    def turn(self) -> None:
        """Look for messages, if it is time to."""
        if self.is_up and not self.channel._in_poll and self.channel.qos.can_consume():
            self.safely(self.channel._brpop_start)

    def took(self, message: Any) -> None:
        """A message was taken: be busy with it."""
        self.tell("took")

        def done() -> None:
            self.safely(message.ack)
            self.turn()

        TIMER.call_after(self.secs, done)

    def safely(self, call: Any, **options: Any) -> None:
        """Call, and connect again if the connection is lost."""
        try:
            call(**options)
        except Empty:
            pass
        except self.connection.recoverable_connection_errors:
            self.lost()

    def lost(self) -> None:
        """Drop the connection, and connect again."""
        if not self.is_up:
            return
        self.is_up = False
        for number in [number for number, (worker, _) in READERS.items() if worker is self]:
            del READERS[number]
            with suppress(OSError):  # it is closed already
                POLL.unregister(number)
        for entry in (*self.repeated, self.parent.heart.tref):
            entry.cancel()
        self.connection.collect()
        self.dispatcher.connection.collect()
        self.connect()

    def tell(self, what: str) -> None:
        """Say what happens now."""
        said = json.dumps({"what": what, "at": time.monotonic(), "worker": self.number})
        sys.stdout.write(f"{said}\n")  # in one piece: the others of this process write beside it
        sys.stdout.flush()


def main() -> None:
    """Run the workers until the process is stopped."""
    logging.disable(logging.CRITICAL)
    first, many, secs = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    workers = [Replayed(number, secs) for number in range(first, first + many)]
    turn = 0
    while True:
        for number, _ in POLL.poll(TURN_SECS / SLICES):
            if number in READERS:
                worker, read = READERS[number]
                worker.safely(read)
                worker.turn()
        while not CONNECTED.empty():
            worker = CONNECTED.get()
            worker.safely(worker.open)
        for _, entry in TIMER:
            if not entry:
                break
            with suppress(*LOST):  # the worker hears of it from its sockets, too
                entry()
        for worker in workers[turn % SLICES :: SLICES]:
            worker.turn()
        turn += 1


if __name__ == "__main__":
    main()
