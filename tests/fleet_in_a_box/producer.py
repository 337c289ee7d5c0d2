"""Sends numbered work at a steady pace until TERM, and notes in a ledger what the broker has acknowledged.

`python -P producer.py NAME LEDGER FIRST_CONVERSATION`, with addresses in the environment. It uses public names alone,
so that it runs in the environment of this release and of the one before it.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from celery import chain
from kombu.exceptions import OperationalError
from memory_graph_workers.cli.demo.conversations import read_conversations, shipped
from memory_graph_workers.cli.demo.ledger import Kind
from memory_graph_workers.cli.demo.producer import fill, steps
from memory_graph_workers.clients.config import MemoryGraphConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.tasks.registry import track_usage
from memory_graph_workers.tasks.usage import UsageReporter

SESSION = "under-load"  # of the reports that belong to no conversation
SINGLE_EVERY_SECS, BATCHED_EVERY_SECS, CONVERSATION_EVERY_SECS = 1 / 20, 1 / 40, 1.5
FLUSH_EVERY_SECS = 1.0
GIVES_UP_SECS = 40.0  # after TERM, if the broker is still away
_PAUSE_SECS = 0.2


class Producer:
    """Three threads: single reports, reports in batches, and conversations with their chains of tasks."""

    def __init__(self, name: str, ledger: Path, first: int) -> None:
        self._name, self._first = name, first
        self._ledger, self._lock = ledger.open("a"), threading.Lock()
        self._stopped_at = float("inf")

    def run(self) -> None:
        """Work until `stop`, and until what was begun is acknowledged."""
        threads = [threading.Thread(target=work) for work in (self._singles, self._batches, self._conversations)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._ledger.close()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped_at = min(self._stopped_at, time.monotonic())

    def _singles(self) -> None:
        for number in self._paced(SINGLE_EVERY_SECS):
            task_id = f"{self._name}-single-{number}"
            self._send(lambda: track_usage.apply_async((), _report(task_id), task_id=task_id), report=task_id)  # noqa: B023

    def _batches(self) -> None:
        waiting: list[str] = []
        flushed_at = time.monotonic()
        with UsageReporter() as reporter:
            for number in self._paced(BATCHED_EVERY_SECS):
                key = f"{self._name}-batched-{number}"
                reporter.report(**_report(key), idempotency_key=key)
                waiting.append(key)
                if time.monotonic() > flushed_at + FLUSH_EVERY_SECS:
                    self._flush(reporter, waiting)
                    flushed_at = time.monotonic()
            self._flush(reporter, waiting)

    def _flush(self, reporter: UsageReporter, waiting: list[str]) -> None:
        if self._acknowledged(reporter.flush):
            self._note(*({"report": key} for key in waiting))
            waiting.clear()

    def _conversations(self) -> None:
        found = read_conversations(shipped())[self._first :]
        with closing(MemoryGraphClient(MemoryGraphConfig.from_env())) as graph:
            for number in self._paced(CONVERSATION_EVERY_SECS):
                conversation = found[number]
                session_id = graph.create_session().id
                usages = list(fill(graph, session_id, conversation))
                tasks = [
                    task.set(task_id=f"{session_id}-{place}")
                    for place, task in enumerate(steps(session_id, conversation, usages, now(), Kind.AGED))
                ]
                self._send(chain(*tasks).apply_async, session=session_id, usages=len(usages))

    def _paced(self, every_secs: float) -> Iterator[int]:
        """Count until `stop`; what falls behind does not catch up."""
        number, due = 0, time.monotonic()
        while self._stopped_at == float("inf"):
            yield number
            number, due = number + 1, max(due + every_secs, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def _send(self, send: Callable[[], object], **what: Any) -> None:
        if self._acknowledged(send):
            self._note(what)

    def _acknowledged(self, send: Callable[[], object]) -> bool:
        """Send until the broker has it, each time under the same ids, as docs/producers.md says."""
        while time.monotonic() < self._stopped_at + GIVES_UP_SECS:
            try:
                send()
            except OperationalError as error:
                print(f"{type(error).__name__}: again", flush=True)  # noqa: T201
                time.sleep(_PAUSE_SECS)
            else:
                return True
        return False

    def _note(self, *what: dict[str, Any]) -> None:
        with self._lock:
            self._ledger.writelines(json.dumps({**one, "at": time.monotonic()}) + "\n" for one in what)
            self._ledger.flush()


def _report(number: str) -> dict[str, Any]:
    return {"session_id": SESSION, "prompt_tokens": 3, "completion_tokens": 4, "metadata": {"number": number}}


def main() -> None:
    name, ledger, first = sys.argv[1:]
    producer = Producer(name, Path(ledger), int(first))
    signal.signal(signal.SIGTERM, lambda *_: producer.stop())
    print(f"{name} runs as {os.getpid()}", flush=True)  # noqa: T201
    producer.run()


if __name__ == "__main__":
    main()
