"""Plain Celery on Redis, with the settings that its documentation names for tasks that must not be lost."""

import os
import sys

import requests
from celery import Celery
from celery.result import AsyncResult

SERVICE, BROKER = os.environ["COMPARE_SERVICE"], os.environ["COMPARE_BROKER"]

app = Celery("on_celery", broker=BROKER, backend=BROKER)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 60},
    broker_connection_retry_on_startup=True,
)


@app.task(
    autoretry_for=(requests.RequestException,), retry_backoff=True, retry_jitter=True, retry_kwargs={"max_retries": 7}
)
def call(job: str) -> None:
    """Send one job to the service."""
    report = {"session_id": job, "prompt_tokens": 1, "completion_tokens": 1}
    response = requests.post(f"{SERVICE}/api/v1/usage", json=report, headers={"Idempotency-Key": job}, timeout=30)
    response.raise_for_status()


def failed(jobs: list[str]) -> list[str]:
    """The jobs that were given up, by the result store."""
    return [job for job in jobs if AsyncResult(job, app=app).failed()]


if __name__ == "__main__":
    what, *jobs = sys.argv[1:]
    if what == "send":
        for job in jobs:
            call.apply_async((job,), task_id=job)
    else:
        print(*failed(jobs))
