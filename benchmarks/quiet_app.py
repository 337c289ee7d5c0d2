"""The worker's app without worker events."""

from memory_graph_workers.tasks.app import app

app.conf.worker_send_task_events = False
