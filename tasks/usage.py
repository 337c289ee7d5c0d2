"""Usage reports in batches, for producers: a report costs its caller microseconds, a batch of them one message."""

import atexit
import logging
import os
import queue
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Literal, Self, cast
from uuid import uuid4
from weakref import WeakSet

from kombu.exceptions import OperationalError

from ..clients.registry import KEYED_USAGE
from ..schemas.registry import UsageReport
from .app import mistakes
from .operation import KEY
from .usage_batch import track_usage_batch

BATCH_SIZE = 100
INTERVAL_SECS = 1.0
MOST_WAITING = 10_000
LONGEST_BLOCK_SECS = 5.0
LONGEST_PAUSE_SECS = 5.0

logger = logging.getLogger(__name__)


class BacklogFull(queue.Full):
    """As many usage reports wait as may; this one was not taken."""


class UsageReporter:
    """Collects usage reports and sends them as `track_usage_batch`, from a thread of its own.

    A batch goes out at 100 reports, a second after its first, at `flush` and `close`, and when the interpreter ends.
    While the broker is away the reports wait here, and are tried again under the same ids; what a killed process had
    not sent is lost. Safe in threads; a forked child starts empty and leaves to its parent what that has waiting.
    """

    def __init__(
        self,
        *,
        batch_size: int = BATCH_SIZE,
        interval_secs: float = INTERVAL_SECS,
        most_waiting: int = MOST_WAITING,
        when_full: Literal["block", "raise"] = "block",
    ) -> None:
        """Raises: InvalidConfig where a setting of the broker is wrong."""
        if mistakes:
            raise mistakes
        self._batch_size, self._interval_secs = batch_size, interval_secs
        self._most_waiting, self._blocks = most_waiting, when_full == "block"
        self._begin()
        _REPORTERS.add(self)

    def report(self, report: UsageReport | None = None, *, idempotency_key: str | None = None, **fields: Any) -> str:
        """Take a report, a model or its fields as keywords, and return its idempotency key.

        Where 10,000 wait already it blocks, for 5 s at most, or with `when_full="raise"` raises at once.
        Raises: ValidationError naming each wrong field; BacklogFull, then the report was not taken.
        """
        given = fields if report is None else KEYED_USAGE.given(report)
        keyed = KEYED_USAGE.read({**given, KEY: idempotency_key or str(uuid4())})
        self._take(KEYED_USAGE.as_json(keyed))
        return keyed.idempotency_key

    def flush(self, timeout_secs: float = 10.0) -> None:
        """Send what waits, and come back when the broker has it.

        Raises: kombu's OperationalError where it has not in that time; the reports still wait, and are tried again.
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._count, timeout_secs)
            if self._count:
                raise OperationalError(f"{self._count} usage reports are not sent yet: is the broker up?")

    def close(self, timeout_secs: float = 10.0) -> None:
        """Send what waits, and take no more; raises as `flush` does."""
        with self._changed:
            self._closed = True
        self.flush(timeout_secs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Start empty, in this process."""
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[dict[str, Any]] = deque()
        self._count = 0  # with those that are being sent
        self._first_at = 0.0
        self._hurry = self._closed = False
        self._thread: threading.Thread | None = None

    def _take(self, report: dict[str, Any]) -> None:
        with self._changed:
            if self._count >= self._most_waiting:
                self._wait_for_room()
            if self._closed:
                raise RuntimeError("This UsageReporter is closed: make another one.")
            self._waiting.append(report)
            self._count += 1
            if len(self._waiting) == 1:
                self._first_at = time.monotonic()
            if self._count == 1 or len(self._waiting) == self._batch_size:
                self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="usage-reporter", daemon=True)
                self._thread.start()

    def _wait_for_room(self) -> None:
        has_room = self._blocks and self._changed.wait_for(lambda: self._count < self._most_waiting, LONGEST_BLOCK_SECS)
        if not has_room:
            raise BacklogFull(f"{self._count} usage reports wait to be sent: is the broker up?")

    def _run(self) -> None:
        while True:
            batch = self._next()
            self._send(batch)
            with self._changed:
                self._count -= len(batch)
                self._hurry = self._hurry and self._count > 0
                self._changed.notify_all()

    def _next(self) -> list[dict[str, Any]]:
        """Wait for a batch that is full, or due, or wanted now."""
        with self._changed:
            while not self._waiting or not self._is_due():
                left_secs = self._first_at + self._interval_secs - time.monotonic() if self._waiting else None
                self._changed.wait(left_secs)
            size = min(self._batch_size, len(self._waiting))
            self._first_at = time.monotonic()
            return [self._waiting.popleft() for _ in range(size)]

    def _is_due(self) -> bool:
        full = len(self._waiting) >= self._batch_size
        return full or self._hurry or time.monotonic() >= self._first_at + self._interval_secs

    def _send(self, batch: list[dict[str, Any]]) -> None:
        """Send a batch until the broker has it; its id stays, so that two copies have one effect."""
        task_id, pause_secs = str(uuid4()), 0.1
        while True:
            try:
                track_usage_batch.send_checked({"reports": batch}, task_id=task_id)
                return
            except Exception as error:  # noqa: BLE001  whatever it is, the reports must not be lost with this thread
                logger.warning("%d usage reports not sent yet (%s)", self._count, type(error).__name__)
                time.sleep(pause_secs)
                pause_secs = min(pause_secs * 2, LONGEST_PAUSE_SECS)


_REPORTERS: "WeakSet[UsageReporter]" = WeakSet()


def _begin_in_child() -> None:
    for reporter in list(_REPORTERS):
        cast(Any, reporter)._begin()


def _send_the_rest() -> None:
    for reporter in list(_REPORTERS):
        try:
            reporter.flush()
        except OperationalError as error:
            logger.error("The process ends and loses reports: %s", error)


os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_send_the_rest)
