"""Measures how long an event loop stalls while it sends to a broker that is stopped; prints JSON.

Run: REDIS_URL=… python ticking.py PID_OF_THE_BROKER
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from memory_graph_workers.tasks.registry import register_session, track_usage
from memory_graph_workers.tasks.usage import UsageReporter

TICK_SECS, SECS, CALLS, ROUNDS = 0.005, 1.0, 20, 5
BROKER = int(sys.argv[1])
REPORT: dict[str, Any] = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}


async def longest_stall_secs(work: Callable[[], Awaitable[object]]) -> float:
    """The longest time by which a tick came late while some work ran."""
    longest, working = 0.0, asyncio.ensure_future(work())
    while not working.done():
        began = time.monotonic()
        await asyncio.sleep(TICK_SECS)
        longest = max(longest, time.monotonic() - began - TICK_SECS)
    await working
    return longest


async def by_asend(reporter: UsageReporter) -> list[Any]:
    """Send calls and reports for a while; the broker goes on in the end, and takes the calls."""
    calls = [asyncio.ensure_future(register_session.asend(session_id="s", model_id="m")) for _ in range(CALLS)]
    for _ in range(int(SECS / TICK_SECS)):
        reporter.report(**REPORT)
        await asyncio.sleep(TICK_SECS)
    os.kill(BROKER, signal.SIGCONT)
    return await asyncio.gather(*calls, return_exceptions=True)


async def by_delay() -> None:
    """Send one call as no coroutine should."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(TICK_SECS)
    loop.run_in_executor(None, lambda: (time.sleep(SECS / 2), os.kill(BROKER, signal.SIGCONT)))
    track_usage.delay(**REPORT)


async def main() -> None:
    """Measure each."""
    register_session.delay(session_id="s", model_id="m")  # connections and imports are there
    told: dict[str, Any] = {"rounds": []}
    async with UsageReporter(when_full="drop", most_waiting=50) as reporter:
        reporter.report(**REPORT)
        for _ in range(ROUNDS):
            quiet = await longest_stall_secs(lambda: asyncio.sleep(SECS))
            os.kill(BROKER, signal.SIGSTOP)
            stall = await longest_stall_secs(lambda: by_asend(reporter))
            told["rounds"].append([quiet, stall])
            if stall <= max(0.05, quiet):
                break
        told["dropped"] = reporter.dropped
    os.kill(BROKER, signal.SIGSTOP)
    told["by_delay"] = await longest_stall_secs(by_delay)
    print(json.dumps(told))  # noqa: T201


asyncio.run(main())
