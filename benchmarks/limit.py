"""The limit: the same calls by threads in some processes, without a queue.

`python -m limit KIND PROCESSES MANY`, KIND being `requests` (kept sessions) or `ours` (our own client).
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from typing import Any

import payloads

THREADS = 48  # as many calls at once as ours makes in six processes


def requests_call() -> Callable[[dict[str, Any]], None]:
    """A POST by a session of the thread's own."""
    import requests

    url, local = f"{os.environ['REGISTRY_URL']}/api/v1/usage", threading.local()

    def call(report: dict[str, Any]) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        local.session.post(url, json=report).raise_for_status()

    return call


def ours_call() -> Callable[[dict[str, Any]], None]:
    """`RegistryClient.track_usage` as the worker makes it."""
    from memory_graph_workers.clients.registry import USAGE
    from memory_graph_workers.tasks import connections

    client = connections.registry()
    return lambda report: client.track_usage(USAGE.receive(report, "limit"))


def work(kind: str, many: int) -> None:
    """Make the calls of one process."""
    call = {"requests": requests_call, "ours": ours_call}[kind]()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(
            call, (report for report, _ in zip(cycle(payloads.reports(1000)), range(many), strict=False))
        ):
            pass


if __name__ == "__main__":
    kind, processes, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    context = get_context("spawn")
    started = [context.Process(target=work, args=(kind, many // processes)) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
