"""Producers as processes: `enqueue` sends tasks and ends; `report PORT` cannot send its usage reports, and says so.

`report` runs until it is killed, and reaches no broker.
"""

import signal
import sys

from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.registry import get_session, health_check
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.tasks.usage_metrics import ReporterCollector
from prometheus_client import REGISTRY, start_http_server


def enqueue() -> None:
    """Send a task whose payload is wrong, one that calls the Registry, and one of a queue that is never held."""
    app.send_task(get_session.name, kwargs={"wrong": True}, ignore_result=True)
    get_session.apply_async(("s-1",), ignore_result=True)
    health_check.apply_async(ignore_result=True)


def report(port: str) -> None:
    """Make eight of the ten reports that there is room for, and export how many wait."""
    reporter = UsageReporter(most_waiting=10)
    REGISTRY.register(ReporterCollector(reporter))
    for number in range(8):
        reporter.report(session_id="s-1", prompt_tokens=1, completion_tokens=number)
    start_http_server(int(port), addr="127.0.0.1")
    signal.pause()


if __name__ == "__main__":
    {"enqueue": enqueue, "report": report}[sys.argv[1]](*sys.argv[2:])
