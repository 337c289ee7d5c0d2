"""What delivery uses of Celery's and kombu's objects, as protocols: their stubs leave these parts out or untyped."""

from collections.abc import Callable
from logging import Logger
from typing import Any, Protocol


class Message(Protocol):
    """A message that a worker took from a queue. `headers`, `body` and `properties` are as their sender wrote them."""

    body: Any
    headers: Any
    properties: dict[str, Any]
    delivery_info: dict[str, Any]
    delivery_tag: str
    channel: Any

    @property
    def acknowledged(self) -> bool:
        """Whether the broker was told that the message is done with."""
        ...

    @property
    def payload(self) -> Any:
        """The decoded body. Raises: DecodeError, ContentDisallowed, or what a decoder raises."""
        ...

    def ack_log_error(self, logger: Logger, errors: Any, multiple: bool = False) -> None:
        """Acknowledge, and log a connection that is lost."""
        ...


class InFlight(Protocol):
    """A task between its message's arrival and its acknowledgement: Celery's `Request`."""

    id: str
    acknowledged: bool
    time_limits: tuple[float | None, float | None]

    @property
    def message(self) -> Message:
        """The message that brought it."""
        ...

    @property
    def task(self) -> Any:
        """The task's object, with its settings."""
        ...

    def reject(self, requeue: bool = False) -> None:
        """Give the message up, or back to its queue."""
        ...


class TaskConsumer(Protocol):
    """kombu's consumer of a worker's queues."""

    channel: Any


class Timer(Protocol):
    """The timer of a worker's loop."""

    def call_after(self, secs: float, call: Callable[[], None]) -> object:
        """Call once, in the loop."""
        ...

    def call_repeatedly(self, secs: float, call: Callable[..., Any], args: tuple[Any, ...] = ()) -> object:
        """Call every so many seconds, in the loop."""
        ...


class WorkerConsumer(Protocol):
    """Celery's consumer: what a step of the worker is given."""

    app: Any
    hostname: str
    heart: Any  # what sends heartbeat events; None without
    task_consumer: TaskConsumer
    timer: Timer
