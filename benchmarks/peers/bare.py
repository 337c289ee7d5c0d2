"""Bare Celery: one task a report, `.delay`, a kept session, no results, no events, the prefetch its guide advises."""

import os
from typing import Any

import requests
from celery import Celery

SESSION = requests.Session()
URL = f"{os.environ['BENCH_SERVER']}/api/v1/usage"

app = Celery("bare", broker=os.environ["BENCH_REDIS"])
# https://docs.celeryq.dev/en/stable/userguide/optimizing.html: many short tasks want a multiplier of 50 to 150.
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, broker_connection_retry_on_startup=True)


@app.task
def track(report: dict[str, Any]) -> None:
    """Send one report."""
    SESSION.post(URL, json=report).raise_for_status()
