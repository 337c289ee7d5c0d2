"""Sends usage reports in batches from a thread: a report costs its caller microseconds, a batch is one message."""

import asyncio
import atexit
import logging
import math
import os
import queue
import threading
import time
from dataclasses import dataclass, field
from multiprocessing import util
from types import TracebackType
from typing import Any, Literal, Self, Unpack, cast, overload
from weakref import WeakSet

import orjson
from kombu.exceptions import OperationalError

from ..clients.registry import KEYED_USAGE
from ..delivery.connections.replies import summary_of
from ..schemas.calls import UsageReportFields
from ..schemas.ids import time_ordered_id
from ..schemas.usage import UsageReport
from ..tracing.context import Callers
from ..tracing.spans import sending
from .app import app, mistakes
from .operation import KEY
from .usage_batch import track_usage_batch
from .written_reports import WRITTEN, parts_of, text_of

BATCH_SIZE = 100
INTERVAL_SECS = 1.0
MOST_WAITING = 10_000
LONGEST_BLOCK_SECS = 5.0
LONGEST_PAUSE_SECS = 5.0
LONGEST_EXIT_SECS = 10.0
TELL_EVERY_SECS = 60.0

_WHEN_FULL = ("block", "raise", "drop")

logger = logging.getLogger(__name__)


class BacklogFull(queue.Full):
    """Too many usage reports wait to be sent; this one was not taken.

    Report it again later, or drop it: the broker is away, or reports come faster than it takes them.
    """


@dataclass(slots=True)
class _Batch:
    """Reports that go together, and the spans in which they were made."""

    reports: list[bytes] = field(default_factory=list[bytes])
    callers: Callers = field(default_factory=Callers)


class UsageReporter:
    """Collects usage reports and sends them as `track_usage_batch`, from a thread of its own.

    A batch is sent at 100 reports, one second after its first report, at `flush` and `close`, and when the process
    exits normally. While the broker is away, or too few replicas confirm (REDIS_MIN_REPLICAS), the reports wait in this
    process and are sent again under the same ids; a killed process loses what it had not sent. Thread-safe. A forked
    child starts empty: its parent sends what waits.
    """

    def __init__(
        self,
        *,
        batch_size: int = BATCH_SIZE,
        interval_secs: float = INTERVAL_SECS,
        most_waiting: int = MOST_WAITING,
        when_full: Literal["block", "raise", "drop"] = "block",
    ) -> None:
        """Raises: InvalidConfig if a setting of the broker is wrong, ValueError if an option is."""
        if mistakes:
            raise mistakes
        if batch_size < 1 or most_waiting < 1 or interval_secs <= 0 or when_full not in _WHEN_FULL:
            raise ValueError(
                f"batch_size and most_waiting from 1, interval_secs over 0, when_full one of {_WHEN_FULL}."
            )
        self._batch_size, self._interval_secs = batch_size, interval_secs
        self.most_waiting, self._when_full = most_waiting, when_full
        self._begin()
        _REPORTERS.add(self)

    @property
    def backlog(self) -> int:
        """How many reports wait in this process, until the broker has them for certain."""
        sent = self._sent  # looked at first: what is sent meanwhile must not make it negative
        return self._taken - sent

    @overload
    def report(self, report: UsageReport, *, idempotency_key: str | None = None) -> str: ...
    @overload
    def report(self, **fields: Unpack[UsageReportFields]) -> str: ...
    def report(self, report: UsageReport | None = None, *, idempotency_key: str | None = None, **fields: Any) -> str:
        """Take a report, as a model or as its fields, and return its idempotency key.

        With a key of yours, a report that you make twice is the same: without `timestamp`, the Registry sets the time.
        If 10,000 reports wait, this blocks for up to 5 s. It never blocks with `when_full="raise"`, when it raises at
        once, nor with "drop", when the report is lost and counted (`dropped`).
        Raises: ValidationError naming each wrong field; BacklogFull, then the report was not taken.
        """
        if report is not None and fields:
            raise TypeError("Give a report or its fields, not both.")
        given = fields if report is None else KEYED_USAGE.given(report)
        key = idempotency_key or given.get(KEY)
        keyed = {**given, KEY: key or time_ordered_id()}
        self._take(text_of(keyed, chosen_key=bool(key)))
        return keyed[KEY]

    def flush(self, timeout_secs: float = 10.0) -> None:
        """Send all waiting reports, and return when the broker has them.

        Raises: kombu's OperationalError if it does not have them in time; they still wait and are sent later.
        """
        with self._lock:
            wanted = self._taken
            self._hand_over()
        with self._done:
            if not self._done.wait_for(lambda: self._sent >= wanted, timeout_secs):
                left = wanted - self._sent
                raise OperationalError(
                    f"{left} usage reports are not sent yet, or not for certain: does this host reach Redis?"
                )

    def close(self, timeout_secs: float = 10.0) -> None:
        """Send all waiting reports, and take no more; raises as `flush` does."""
        with self._lock:
            self._closed = True
            self._hand_over()
            self._full.put(None)
        self.flush(timeout_secs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except OperationalError as unsent:
            if error is None:
                raise
            logger.error("%s", unsent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)  # it waits for the broker

    def _begin(self) -> None:
        """Start empty, in this process."""
        self._lock = threading.RLock()  # reentrant: a signal's handler may report, too
        self._done = threading.Condition()  # another lock: the sender must not block `report`
        self._waiting = _Batch()
        self._full: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._taken = self._sent = 0
        self.dropped = 0  # how many reports found no room (`when_full="drop"`), in this process
        self._tells_again_at = -math.inf
        self._first_at = 0.0
        self._closed = self._sleeps = False
        self._thread: threading.Thread | None = None

    def _take(self, report: bytes) -> None:
        end = None
        while not self._has_taken(report):
            if self._when_full == "drop":
                self._drop()
                return
            end = end or time.monotonic() + LONGEST_BLOCK_SECS
            self._wait_for_room(end - time.monotonic())

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1
            tells = time.monotonic() >= self._tells_again_at
            if tells:
                self._tells_again_at = time.monotonic() + TELL_EVERY_SECS
        if tells:
            told = "%d usage reports dropped so far, for %d wait to be sent: is the broker up?"
            logger.error(told, self.dropped, self.backlog)

    def _has_taken(self, report: bytes) -> bool:
        """Take a report if there is room for it."""
        with self._lock:
            if self.backlog >= self.most_waiting:
                return False
            if self._closed:
                raise RuntimeError("This UsageReporter is closed: make another one.")
            if self._thread is None:
                self._start()
            self._waiting.reports.append(report)
            self._waiting.callers.note_current()
            self._taken += 1
            if len(self._waiting.reports) >= self._batch_size:
                self._hand_over()
            elif len(self._waiting.reports) == 1:
                self._first_at = time.monotonic()
                self._wake()
            return True

    def _hand_over(self) -> None:
        if self._waiting.reports:
            batch, self._waiting = self._waiting, _Batch()
            self._full.put(batch)

    def _wake(self) -> None:
        """Wake the sender if it sleeps; a busy one looks at the clock anyway, and waking it costs time."""
        if self._sleeps:
            self._sleeps = False
            self._full.put(_Batch())

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="usage-reporter", daemon=True)
        thread.start()
        self._thread = thread

    def _wait_for_room(self, longest_secs: float) -> None:
        with self._done:
            has_room = self._when_full == "block" and self._done.wait_for(
                lambda: self.backlog < self.most_waiting, longest_secs
            )
        if not has_room:
            raise BacklogFull(f"{self.backlog} usage reports wait to be sent: is the broker up?")

    def _run(self) -> None:
        wait_secs: float | None = self._interval_secs
        while (batch := self._next(wait_secs)) is not None:
            for part in parts_of(batch.reports):
                self._send(part, batch.callers)
                with self._done:
                    self._sent += len(part)
                    self._done.notify_all()
            wait_secs = self._interval_secs if batch.reports else self._wait_secs()

    def _next(self, wait_secs: float | None) -> _Batch | None:
        """Return the next batch to send; an empty one asks to look at the clock, None to stop."""
        try:
            return self._full.get(timeout=wait_secs)
        except queue.Empty:
            return _Batch()

    def _wait_secs(self) -> float | None:
        """Return the seconds until a batch is due; None if no report waits."""
        with self._lock:
            left_secs = self._first_at + self._interval_secs - time.monotonic()
            self._sleeps = not self._waiting.reports
            if self._waiting.reports and left_secs <= 0:
                self._hand_over()
            return None if self._sleeps else max(0.0, left_secs)

    def _send(self, reports: list[bytes], callers: Callers) -> None:
        """Send reports until the broker has them for certain, always under one id: two copies have one effect."""
        headers = dict[str, Any]()
        with sending(track_usage_batch.name, headers, callers=callers):
            # A task that runs here and now (task_always_eager) gets its parameters as they are.
            written = orjson.loads if app.conf.task_always_eager else orjson.Fragment
            self._send_on({"reports": [written(report) for report in reports]}, headers)

    def _send_on(self, checked: dict[str, Any], headers: dict[str, Any]) -> None:
        task_id, pause_secs = time_ordered_id(), 0.1
        while True:
            try:
                track_usage_batch.send_checked(checked, task_id=task_id, headers=headers, serializer=WRITTEN)
                return
            except Exception as error:  # noqa: BLE001  no error may end this thread: its reports would be lost
                logger.warning(
                    "%d usage reports not sent yet, or not for certain (%s)", self.backlog, summary_of(error)
                )
                time.sleep(pause_secs)
                pause_secs = min(pause_secs * 2, LONGEST_PAUSE_SECS)


_REPORTERS: "WeakSet[UsageReporter]" = WeakSet()


def flush_reporters(timeout_secs: float) -> None:
    """Send what waits in all reporters of this process, within so many seconds together; raises as `flush` does."""
    end = time.monotonic() + timeout_secs
    for reporter in list(_REPORTERS):
        reporter.flush(max(0.0, end - time.monotonic()))


def _begin_in_child() -> None:
    for reporter in list(_REPORTERS):
        cast(Any, reporter)._begin()


def _send_the_rest() -> None:
    """Send all waiting reports, within ten seconds for all reporters together."""
    end = time.monotonic() + LONGEST_EXIT_SECS
    for reporter in list(_REPORTERS):
        try:
            reporter.flush(max(0.0, end - time.monotonic()))
        except OperationalError as error:
            logger.error("The process ends, and reports may be lost: %s", error)


def _send_the_rest_in_child(_: Any) -> None:
    """Children of `multiprocessing` and of Celery's pool exit by `os._exit`, without `atexit`, but run finalizers."""
    util.Finalize(None, _send_the_rest, exitpriority=10)


os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_send_the_rest)
util.register_after_fork(_send_the_rest_in_child, _send_the_rest_in_child)
