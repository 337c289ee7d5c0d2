"""Plain Celery: one task a session, everything else as in peers/bare.py."""

import os

from celery import Celery
from steps import archive

app = Celery("plain", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, broker_connection_retry_on_startup=True)


@app.task
def archive_session(session_id: str) -> None:
    """Archive one session."""
    archive(session_id)
