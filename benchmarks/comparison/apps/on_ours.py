"""This package: the worker runs as it is installed, so all that is here is a producer, and a look at dead letters."""

import sys

from memory_graph_workers.tasks.registry import track_usage


def failed(jobs: list[str]) -> list[str]:
    """The jobs that were given up: their dead letters."""
    from memory_graph_workers.delivery import installed
    from memory_graph_workers.tasks.app import app

    ids = set(installed(app).dead_letters.ids())
    return [job for job in jobs if job in ids]


if __name__ == "__main__":
    what, *jobs = sys.argv[1:]
    if what == "send":
        for job in jobs:
            report = {"session_id": job, "prompt_tokens": 1, "completion_tokens": 1}
            track_usage.apply_async(kwargs=report, task_id=job)
    else:
        print(*failed(jobs))
