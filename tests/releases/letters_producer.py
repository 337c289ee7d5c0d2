"""Sends what becomes a dead letter of each reason: `python -m releases.letters_producer`."""

from typing import Any

from celery import chain
from memory_graph_workers.tasks import registry
from memory_graph_workers.tasks.app import app
from releases.producer import USAGE, fixed


def get_model(name: str, **options: Any) -> None:
    registry.get_model_metadata.apply_async((name,), task_id=fixed(name), **options)


if __name__ == "__main__":
    get_model("gone")  # failed
    chain(
        registry.get_model_metadata.si("first").set(task_id=fixed("first")),
        registry.list_models.si().set(task_id=fixed("second")),
    ).apply_async()  # failed, with the rest of a chain
    get_model("busy")  # attempts_exhausted
    get_model("late", expires=0.5)  # expired
    get_model("slow", time_limit=2)  # hard_time_limit
    get_model("deadly")  # lost_worker
    registry.track_usage.apply_async((), USAGE, task_id=fixed("uncertain"))  # uncertain
    wrong = {"report": {**USAGE, "prompt_tokens": -1}}
    app.send_task("memory_graph.registry.track_usage", [], wrong, task_id=fixed("invalid"))  # invalid_payload
    app.send_task("memory_graph.registry.of_tomorrow", ["x"], {}, task_id=fixed("unknown"))  # unknown_task
