"""One process that calls: CPU of a call, threads beside a breaker, probes of a half-open one; prints JSON.

`python benchmarks/calling.py cpu|threads|probes`.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import payloads
import requests
from memory_graph_workers.clients.breaker import Breaker, RedisStorage
from memory_graph_workers.clients.errors import CircuitBreakerOpen, IntegrationError
from memory_graph_workers.clients.registry import USAGE, RegistryClient
from memory_graph_workers.clients.retry import ONCE
from memory_graph_workers.tasks import connections

CALLS, THREADS = 500, 16
REPORT: Any = payloads.reports(1)[0]


class NoBreaker(Breaker):
    """Lets every call through and counts nothing."""

    def call(self, guarded: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Call."""
        return guarded()


def client(breaker: Breaker) -> RegistryClient:
    """Our client, as a worker makes it."""
    return RegistryClient(connections.config().registry, retry_policy=ONCE, breaker=breaker)


def shared() -> Breaker:
    """The breaker that workers share in Redis."""
    return Breaker("registry", RedisStorage(connections.redis(), "registry"))


def cpu() -> dict[str, float]:
    """CPU microseconds a call, ours and a kept session's, in turns."""
    ours, session, report = client(shared()), requests.Session(), USAGE.receive(REPORT, "bench")
    url = f"{connections.config().registry.base_url}/api/v1/usage"
    roads: dict[str, Callable[[], Any]] = {
        "requests": lambda: session.post(url, json=REPORT).raise_for_status(),
        "ours": lambda: ours.track_usage(report),
    }
    used = dict.fromkeys(roads, 0.0)
    for turn in range(11):
        for name, call in roads.items():
            began = time.process_time()
            for _ in range(CALLS // 10):
                call()
            used[name] += time.process_time() - began if turn else 0.0
    return {name: secs / CALLS * 1e6 for name, secs in used.items()}


def threads() -> dict[str, float]:
    """Calls a second by 16 threads: without a breaker, with one of this process, with the shared one; in turns."""
    clients = {"none": client(NoBreaker("none")), "memory": client(Breaker("registry")), "shared": client(shared())}
    secs = dict.fromkeys(clients, 0.0)
    report = USAGE.receive(REPORT, "bench")
    with ThreadPoolExecutor(THREADS) as pool:
        for turn in range(5):
            for name, one in clients.items():
                began = time.perf_counter()
                list(pool.map(lambda _, one=one: one.track_usage(report), range(400)))
                secs[name] += time.perf_counter() - began if turn else 0.0
    return {name: 4 * 400 / each for name, each in secs.items()}


def probes() -> dict[str, int]:
    """Open the shared breaker, wait, and let 16 threads go at once: how many called while the first was under way."""
    storage = RedisStorage(connections.redis(), "probes", reset_secs=0.3)
    breaker, began = Breaker("probes", storage, reset_secs=0.3), threading.Barrier(THREADS)
    down = RegistryClient(
        replace(connections.config().registry, base_url="http://127.0.0.1:9"), retry_policy=ONCE, breaker=breaker
    )
    for _ in range(5):
        attempt(down)
    time.sleep(0.5)
    up = client(breaker)
    with ThreadPoolExecutor(THREADS) as pool:
        through = sum(pool.map(lambda _: attempt(up, began), range(THREADS)))
    return {"through": through}


def attempt(one: RegistryClient, began: threading.Barrier | None = None) -> bool:
    """Call once; False where the breaker refused."""
    if began:
        began.wait()
    try:
        one.track_usage(USAGE.receive(REPORT, "bench"))
    except CircuitBreakerOpen:
        return False
    except IntegrationError:
        pass
    return True


if __name__ == "__main__":
    print(json.dumps({"cpu": cpu, "threads": threads, "probes": probes}[sys.argv[1]]()))
