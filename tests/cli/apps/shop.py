"""A web shop with delivery: an app that is not ours, for tests of `--app`."""

import os

from celery import Celery
from memory_graph_workers.delivery import install
from redis import Redis

URL = os.environ["SHOP_URL"]
done = Redis.from_url(URL)

app = Celery("shop")
app.conf.update(result_backend=os.environ.get("SHOP_RESULTS"))
app.conf.update(task_default_queue="orders", task_routes={"pay": {"queue": "payments"}})
install(
    app,
    URL,
    needs={"payments": ["bank"]},
    breaker="shop:state_of",
    visibility_timeout_secs=int(os.environ.get("SHOP_VISIBILITY_SECS", "60")),
)


class Breaker:
    state = "closed"


def state_of(service: str) -> Breaker:
    return Breaker()


@app.task(name="order")
def order(item: str) -> None:
    """Fail for everything that is not in stock."""
    if item not in {text.decode() for text in done.smembers("stock")}:
        raise LookupError(item)
    done.rpush("ordered", item)


@app.task(name="pay")
def pay(amount: int) -> None:
    done.rpush("paid", amount)
