"""Sends usage reports without a pause, one by one and in batches, until its input ends; then says how many were sent.

Whatever raises is sent again under the same task id, as docs/producers.md says.
"""

import itertools
import select
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kombu.exceptions import OperationalError
from memory_graph_workers.delivery import DeliveryUncertain
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import track_usage

REPORT = {"prompt_tokens": 1, "completion_tokens": 0, "timestamp": "2026-01-31T12:00:00Z"}
TOGETHER = 5
PAUSE_SECS = 0.05


def main(session_id: str) -> None:
    """Write how many reports were sent, each until nothing was raised, and how many sendings were uncertain."""
    sent = uncertain = 0
    report: Any = {"session_id": session_id, **REPORT}
    for number in itertools.count():
        if select.select([sys.stdin], [], [], PAUSE_SECS)[0]:
            break
        ids = [f"{session_id}-{number}-{place}" for place in range(TOGETHER)]
        uncertain += sends(partial(track_usage.apply_async, kwargs=report, task_id=f"{session_id}-{number}"))
        uncertain += sends(partial(enqueue_many, track_usage, [report] * TOGETHER, task_ids=ids))
        sent += 1 + TOGETHER
    sys.stdout.write(f"{sent} {uncertain}\n")


def sends(send: Callable[[], object]) -> int:
    """Send until nothing is raised; returns how often it was uncertain."""
    uncertain = 0
    while True:
        try:
            send()
        except DeliveryUncertain:
            uncertain += 1
        except OperationalError:
            time.sleep(PAUSE_SECS)
        else:
            return uncertain


if __name__ == "__main__":
    main(sys.argv[1])
