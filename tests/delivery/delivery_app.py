"""A small app over the worker's delivery parts, run as a real worker process by the acceptance tests."""

import os
import signal
import time

from celery import Celery
from celery.exceptions import Reject
from memory_graph_workers.clients.errors import ApiError, Timeout, UncertainOutcome
from memory_graph_workers.delivery.drain import Drain
from memory_graph_workers.delivery.lease import Lease
from memory_graph_workers.delivery.redaction import DiscreetTask
from memory_graph_workers.delivery.transport import broker_settings
from memory_graph_workers.schemas.base import ValidationError
from redis import Redis

URL = os.environ["DELIVERY_URL"]
VISIBILITY_SECS = int(os.environ.get("DELIVERY_VISIBILITY_SECS", "3"))
done = Redis.from_url(URL)


class Base(DiscreetTask):
    abstract = True
    Request = "memory_graph_workers.delivery.request:Request"
    acks_late = True
    reject_on_worker_lost = True
    resultrepr_maxsize = 0


app = Celery("delivery", task_cls=Base)
app.conf.update(
    broker_settings(URL),
    result_backend=URL,
    task_acks_late=True,
    task_default_queue="work",
    worker_prefetch_multiplier=1,
    worker_consumer="memory_graph_workers.delivery.consumer:Consumer",
    worker_enable_prefetch_count_reduction=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=True,
    worker_grace_secs=float(os.environ.get("DELIVERY_GRACE_SECS", "30")),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "dead_letters_url": os.environ.get("DELIVERY_DEAD_URL"),
    },
)
app.steps["consumer"].update((Lease, Drain))


@app.task(name="good")
def good(number: int) -> int:
    done.rpush("done", number)
    return number


@app.task(name="slow", bind=True)
def slow(self: Base, name: str, seconds: float) -> None:
    done.rpush("runs:" + name, self.request.hostname)
    time.sleep(seconds)
    done.rpush("done:" + name, self.request.hostname)


@app.task(name="again", bind=True, max_retries=3)
def again(self: Base, name: str, seconds: float) -> None:
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
def kills_twice(self: Base) -> None:
    if done.rpush("kills", 1) < 3:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="checks")
def checks(text: str) -> None:
    raise ValidationError({"session_id": ["Missing."]})


@app.task(name="times_out", autoretry_for=(Timeout,), max_retries=1, retry_backoff=False, default_retry_delay=0)
def times_out(text: str) -> None:
    raise Timeout("no answer", "vault", "archive_session")


@app.task(name="doubts")
def doubts(text: str) -> None:
    raise UncertainOutcome("no answer", "registry", "track_usage")


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
        raise ApiError("no such session", "registry", "get_session", 404, "r-1") from error


@app.task(name="answers")
def answers(text: str) -> str:
    return text
