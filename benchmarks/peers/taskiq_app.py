"""Taskiq: its list, which never acknowledges, and its stream, which does; a kept aiohttp session a process."""

import os
from typing import Any

import aiohttp
from taskiq import AsyncBroker, TaskiqEvents, TaskiqState
from taskiq_redis import ListQueueBroker, RedisStreamBroker

URL = f"{os.environ['BENCH_SERVER']}/api/v1/usage"
KIND = {"list": ListQueueBroker, "stream": RedisStreamBroker}[os.environ["BENCH_TASKIQ"]]

broker: AsyncBroker = KIND(os.environ["BENCH_REDIS"])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect(state: TaskiqState) -> None:
    """Make the process's session."""
    state.session = aiohttp.ClientSession()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def disconnect(state: TaskiqState) -> None:
    """Close it."""
    await state.session.close()


@broker.task
async def track(report: dict[str, Any]) -> None:
    """Send one report."""
    async with broker.state.session.post(URL, json=report) as answer:
        answer.raise_for_status()


@broker.task
async def track_batch(reports: list[dict[str, Any]]) -> None:
    """Send reports in one request, each with its key, to a Registry that takes batches."""
    async with broker.state.session.post(f"{URL}/batch", json=reports) as answer:
        answer.raise_for_status()
        if (await answer.json())["failed"]:
            raise RuntimeError("some reports failed")
