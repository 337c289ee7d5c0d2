"""Dramatiq with its Redis broker, a kept session for each of its threads."""

import os
import threading
from typing import Any

import dramatiq
import requests
from dramatiq.brokers.redis import RedisBroker

URL = f"{os.environ['BENCH_SERVER']}/api/v1/usage"
LOCAL = threading.local()

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)


@dramatiq.actor
def track(report: dict[str, Any]) -> None:
    """Send one report."""
    session = getattr(LOCAL, "session", None)
    if session is None:
        session = LOCAL.session = requests.Session()
    session.post(URL, json=report).raise_for_status()
