"""A small app that is not ours, with delivery installed, run as a real worker process by these tests."""

import os
import signal
import time
from typing import Any

from celery import Celery, signals
from celery.exceptions import Reject
from memory_graph_workers.delivery import Bounds, KeptTask, install
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.delivery.messages.attempts import was_lost

URL = os.environ["DELIVERY_URL"]
app = Celery("delivery")
app.conf.update(result_backend=URL, task_default_queue="work", worker_send_task_events=True)
delivery = install(
    app,
    URL,
    key_prefix=os.environ.get("DELIVERY_KEY_PREFIX", ""),
    key_prefix_old=os.environ.get("DELIVERY_KEY_PREFIX_OLD"),
    visibility_timeout_secs=int(os.environ.get("DELIVERY_VISIBILITY_SECS", "3")),
    grace_secs=float(os.environ.get("DELIVERY_GRACE_SECS", "30")),
    state_url=os.environ.get("DELIVERY_DEAD_URL"),
    bounds=Bounds(
        most=int(os.environ.get("DELIVERY_MAX_LETTERS", "1000")),
        most_bytes=int(os.environ.get("DELIVERY_MAX_LETTER_BYTES", str(256 * 2**20))),
    ),
    message_max_bytes=int(os.environ.get("DELIVERY_MESSAGE_MAX_BYTES", str(32 * 2**20))),
    unacked_key="unacked",
    min_replicas=int(os.environ.get("DELIVERY_MIN_REPLICAS", "0")),
)


@signals.celeryd_init.connect
def wait_shorter(conf: Any = None, **kwargs: Any) -> None:
    """Let a worker give up on replicas after two seconds, as a producer does."""
    if delivery.min_replicas:
        conf.broker_transport_options = {**conf.broker_transport_options, "socket_timeout": 3}


done = connect(delivery.url, timeout_secs=30, connect_timeout_secs=5)


class Refused(Exception):
    """A service refused a call; the text quotes nothing."""

    showable = True

    def __init__(self, text: str, service: str, operation: str, status: int | None = None) -> None:
        super().__init__(text, service, operation, status)
        self.service, self.operation, self.status = service, operation, status


class Invalid(Exception):
    """Parameters are wrong, and `messages` says which."""

    showable, dead_letter_reason = True, "invalid_payload"

    def __init__(self, messages: dict[str, list[str]]) -> None:
        super().__init__(messages)
        self.messages = messages


class Slow(Refused):
    dead_letter_reason = "attempts_exhausted"


class Doubtful(Refused):
    dead_letter_reason = "uncertain"


@app.task(name="good")
def good(number: int) -> int:
    done.rpush(f"{delivery.key_prefix}done", number)
    return number


@app.task(name="slow", bind=True)
def slow(self: KeptTask, name: str, seconds: float) -> None:
    done.rpush("runs:" + name, self.request.hostname)
    time.sleep(seconds)
    done.rpush("done:" + name, self.request.hostname)


@app.task(name="again", bind=True, max_retries=3)
def again(self: KeptTask, name: str, seconds: float) -> None:
    done.rpush("runs:" + name, self.request.retries)
    if not self.request.retries:
        raise self.retry(countdown=seconds)


@app.task(name="naps")
def naps(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@app.task(name="goes_back")
def goes_back(text: str) -> None:
    done.rpush("went_back", text)
    time.sleep(1.5)
    raise Reject("not now", requeue=True)


@app.task(name="kills_twice", bind=True)
def kills_twice(self: KeptTask) -> None:
    if done.rpush("kills", str(was_lost(self.request.headers))) < 3:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="checks")
def checks(text: str) -> None:
    raise Invalid({"session_id": ["Missing."]})


@app.task(name="times_out", autoretry_for=(Slow,), max_retries=1, retry_backoff=False, default_retry_delay=0)
def times_out(text: str) -> None:
    raise Slow("no answer", "vault", "archive_session")


@app.task(name="doubts")
def doubts(text: str) -> None:
    raise Doubtful("no answer", "registry", "track_usage")


@app.task(name="probe", keep_dead_letter=False)
def probe() -> None:
    done.rpush("probes", 1)


@app.task(name="kills_its_child")
def kills_its_child(text: str) -> None:
    done.rpush("killed", 1)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="hangs", time_limit=1)
def hangs(text: str) -> None:
    time.sleep(60)


@app.task(name="quotes")
def quotes(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError(f"cannot use {text}") from error


@app.task(name="refused")
def refused(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        raise Refused("no such session", "registry", "get_session", 404) from error


@app.task(name="needs_stock", ignore_result=False)
def needs_stock(number: int) -> int:
    if not done.sismember("stock", number):
        raise Refused("not in stock", "shop", "take", 409)
    return number


@app.task(name="sums")
def sums(numbers: list[int]) -> None:
    done.rpush("sums", sum(numbers))


@app.task(name="answers", ignore_result=False)
def answers(text: str) -> str:
    return text


@app.task(name="counts")
def counts(texts: list[str]) -> None:
    done.rpush("counts", len(texts))


@app.task(name="joins", ignore_result=False)
def joins(texts: list[str]) -> str:
    return " ".join(texts)
