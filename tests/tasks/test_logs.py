"""What a log line carries: the task that runs, until it ended, and what Celery's own lines are about."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, signals
from celery.worker.strategy import logger as received
from memory_graph_workers.clients.errors import NotFound
from memory_graph_workers.clients.request_log import log_request
from memory_graph_workers.tasks import logs
from memory_graph_workers.tasks.failed_items import tell_failed

Lines = Callable[[], list[dict[str, Any]]]
logger = logging.getLogger(__name__)


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """What this process logs, as a worker does."""
    root, path = logging.getLogger(), tmp_path / "log"
    handlers, level = root.handlers[:], root.level
    logs.set_up(logging.INFO, str(path))
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    root.handlers[0].close()
    root.handlers[:] = handlers
    root.setLevel(level)
    signals.task_prerun.disconnect(logs._begin_task)
    signals.task_postrun.disconnect(logs._end_task)


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("logs", set_as_current=False, broker="memory://")
    yield app
    app.close()


@pytest.mark.parametrize("error", [None, ValueError, SystemExit])
def test_a_task_in_a_task_names_itself_and_leaves_the_outer_one_its_name(
    app: Celery, lines: Lines, error: type[BaseException] | None
) -> None:
    @app.task(name="inner", throws=ValueError)
    def inner() -> None:
        logger.info("in inner")
        if error is not None:
            raise error

    @app.task(name="outer")
    def outer() -> None:
        logger.info("before inner")
        try:
            inner.apply(task_id="2")
        except SystemExit:
            logger.info("inner ended the hard way")
        logger.info("after inner")

    outer.apply(task_id="1")
    logger.info("after all")
    of_test = [line for line in lines() if line["logger"] == __name__]
    assert {(line["task_name"], line["task_id"]) for line in of_test[:-1] if "in inner" not in line["event"]} == {
        ("outer", "1")
    }
    assert [(line["task_name"], line["task_id"]) for line in of_test if line["event"] == "in inner"] == [("inner", "2")]
    assert not {"task_id", "task_name"} & of_test[-1].keys()


def test_the_last_line_of_a_task_has_its_latest_request_and_no_line_of_the_next(app: Celery, lines: Lines) -> None:
    @app.task(name="asks")
    def asks(*ids: str) -> None:
        for request_id in ids:
            log_request(None, request_id)

    for number, ids in enumerate([("a", "b"), (), ("c",)]):
        asks.apply(ids, task_id=str(number))
    ends = [(line["task_id"], line.get("request_id")) for line in lines() if line["logger"] == "celery.app.trace"]
    assert ends == [("0", "b"), ("1", None), ("2", "c")]


SWEEPS = "memory_graph.archival"


@pytest.mark.parametrize(
    ("name", "kwargs", "sweep_id"),
    [
        (f"{SWEEPS}.sweep", {}, "1"),
        (f"{SWEEPS}.archive_batch", {"sweep_id": "s"}, "s"),
        (f"{SWEEPS}.archive_batch", {"sweep_id": "a b"}, None),
        (f"{SWEEPS}.archive_batch", {"sweep_id": "s" * 1000}, None),
        (f"{SWEEPS}.archive_batch", {"sweep_id": ["s"]}, None),
        ("other", {}, None),
    ],
    ids=["begins a sweep", "a step", "no id", "too long", "no text", "another task"],
)
def test_every_line_of_a_sweeps_task_names_the_sweep(
    app: Celery, lines: Lines, name: str, kwargs: dict[str, Any], sweep_id: str | None
) -> None:
    @app.task(name=name)
    def step(**kwargs: Any) -> None:
        logger.info("at work")

    step.apply((), kwargs, task_id="1")
    logger.info("after it")
    *of_task, after = [line for line in lines() if line["logger"] in (__name__, "celery.app.trace")]
    assert [line.get("sweep_id") for line in of_task] == [sweep_id] * 2
    assert "sweep_id" not in after


def test_every_line_of_a_task_has_the_trace_of_its_message(app: Celery, lines: Lines) -> None:
    @app.task(name="traced")
    def traced() -> None:
        logger.info("at work")

    trace_id = "0af7651916cd43dd8448eb211c80319c"
    for named in (f"00-{trace_id}-b7ad6b7169203331-01", "forged", None):
        traced.apply(headers={"traceparent": named})
    told = [line.get("trace_id") for line in lines() if line["logger"] in (__name__, "celery.app.trace")]
    assert told == [trace_id] * 2 + [None] * 4


def test_a_line_of_celerys_has_the_id_and_name_of_what_it_is_about_and_nothing_else_of_it(lines: Lines) -> None:
    about = {"id": "1", "name": "n", "args": "private", "kwargs": "private", "eta": None}
    received.info("Task %(name)s[%(id)s] received", about, extra={"data": about})
    logger.info("another's", extra={"data": about, "id": "9"})
    mine, another = lines()
    assert mine.items() >= {"task_id": "1", "task_name": "n"}.items()
    assert not {"args", "kwargs", "data"} & mine.keys()
    assert not {"task_id", "id", "data"} & another.keys()


def test_a_task_that_fails_with_an_error_of_ours_says_why_in_one_line(app: Celery, lines: Lines) -> None:
    private = "pri" + "vate"

    @app.task(name="refused")
    def refused() -> None:
        raise NotFound("no such session", "registry", "get_session", 404, "r-1")

    @app.task(name="broken")
    def broken() -> None:
        raise ValueError(private)

    refused.apply(task_id="1")
    broken.apply(task_id="2")
    expected, unexpected = [line for line in lines() if line["logger"] == "celery.app.trace"]
    sentence = "NotFound: registry.get_session: no such session (status 404, request r-1)"
    assert expected["event"] == f"Task refused[1] failed: {sentence}"
    assert "exception" not in expected
    assert "raised unexpected" in unexpected["event"]
    assert "Traceback" in unexpected["exception"]
    assert private not in unexpected["event"] + unexpected["exception"].replace("ValueError(private)", "")


@pytest.mark.parametrize(
    "failed", [{}, {"s1": "too large"}, {"s1": "too large", "s2": "odd", "s3": "odd", "s4": "gone"}]
)
def test_a_task_with_failed_items_ends_with_a_warning_that_counts_them(
    app: Celery, lines: Lines, failed: dict[str, str]
) -> None:
    @app.task(name="batch")
    def batch(failed: dict[str, str]) -> None:
        tell_failed("session", failed, "3 archived", "See: mgw sweeps show 5f0c")

    batch.apply((failed,), task_id="1")
    batch.apply(({},), task_id="2")
    told = [line for line in lines() if line["logger"].endswith("failed_items")]
    first, second = [line for line in lines() if line["logger"] == "celery.app.trace"]
    assert "succeeded" in second["event"]
    assert second["level"] == "info"
    assert ("succeeded" in first["event"], first["level"]) == ((False, "warning") if failed else (True, "info"))
    assert [line["level"] for line in told] == ["warning"] * bool(failed)
    if failed:
        assert f"but {len(failed)} of its items failed" in first["event"]
        why = "too large; odd, …" if len(failed) > 1 else "too large"
        assert told[0]["event"] == (
            f"{len(failed)} session{'s' * (len(failed) > 1)} failed, 3 archived. Why: {why}. See: mgw sweeps show 5f0c"
        )
