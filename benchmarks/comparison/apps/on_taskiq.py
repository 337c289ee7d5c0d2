"""Taskiq on the broker of taskiq-redis that acknowledges, with retries that its scheduler sends when they are due."""

import asyncio
import os
import sys

import aiohttp
from taskiq import SmartRetryMiddleware, TaskiqScheduler
from taskiq_redis import ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

SERVICE, BROKER = os.environ["COMPARE_SERVICE"], os.environ["COMPARE_BROKER"]

results = RedisAsyncResultBackend[None](BROKER)
source = ListRedisScheduleSource(BROKER)
retries = SmartRetryMiddleware(
    default_retry_count=8, default_retry_label=True, use_jitter=True, use_delay_exponent=True, schedule_source=source
)
broker = (
    RedisStreamBroker(BROKER, consumer_id="0", xread_count=1, idle_timeout=60_000, unacknowledged_lock_timeout=30)
    .with_result_backend(results)
    .with_middlewares(retries)
)
scheduler = TaskiqScheduler(broker, [source])


@broker.task("call")
async def call(job: str) -> None:
    """Send one job to the service."""
    report = {"session_id": job, "prompt_tokens": 1, "completion_tokens": 1}
    limit = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(timeout=limit, headers={"Idempotency-Key": job}) as session,
        session.post(f"{SERVICE}/api/v1/usage", json=report) as response,
    ):
        response.raise_for_status()


async def send(jobs: list[str]) -> None:
    """Enqueue jobs."""
    for job in jobs:
        await call.kicker().with_task_id(job).kiq(job)


async def failed(jobs: list[str]) -> list[str]:
    """The jobs that were given up, by the result store."""
    ended = [job for job in jobs if await results.is_result_ready(job)]
    return [job for job in ended if (await results.get_result(job)).is_err]


async def main(what: str, jobs: list[str]) -> None:
    """Send jobs, or print which of them were given up."""
    await broker.startup()
    try:
        if what == "send":
            await send(jobs)
        else:
            print(*await failed(jobs))
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
