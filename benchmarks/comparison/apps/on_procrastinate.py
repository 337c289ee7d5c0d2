"""Procrastinate on PostgreSQL, with the periodic task of its documentation that retries the jobs of dead workers."""

import os
import sys

import aiohttp
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy, SyncPsycopgConnector
from procrastinate.jobs import Status

SERVICE, DATABASE = os.environ["COMPARE_SERVICE"], os.environ["COMPARE_DATABASE"]

app = App(connector=PsycopgConnector(conninfo=DATABASE))


@app.task(name="call", retry=RetryStrategy(max_attempts=7, exponential_wait=2))
async def call(job: str) -> None:
    """Send one job to the service."""
    report = {"session_id": job, "prompt_tokens": 1, "completion_tokens": 1}
    limit = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(timeout=limit, headers={"Idempotency-Key": job}) as session,
        session.post(f"{SERVICE}/api/v1/usage", json=report) as response,
    ):
        response.raise_for_status()


@app.periodic(cron="* * * * *")
@app.task(name="retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Let the jobs run again whose worker has shown no sign of life for 30 seconds."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


def main(what: str, jobs: list[str]) -> None:
    """Send jobs, or print which of them were given up."""
    with app.replace_connector(SyncPsycopgConnector(conninfo=DATABASE)) as opened, opened.open():
        if what == "send":
            for job in jobs:
                opened.configure_task("call").defer(job=job)
        else:
            rows = opened.job_manager.list_jobs(task="call", status=Status.FAILED.value)
            print(*{str(row.task_kwargs["job"]) for row in rows}.intersection(jobs))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
