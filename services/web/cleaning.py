"""Deleting what has expired: beside the requests and a slice at a time, so that no request does it or waits for it."""

import random
import time
from collections.abc import Callable, Sequence
from threading import Thread

from .log import log_failure

SLICE = 1000  # rows that one transaction deletes
_PAUSE_SECS = 60.0
Purge = Callable[[], int]


def start_cleaning(purges: Sequence[Purge]) -> None:
    """Run each purge about once a minute, for as long as this process lives; each returns how many rows it deleted."""
    Thread(target=_clean_on, args=(purges,), name="cleaning", daemon=True).start()


def clean(purges: Sequence[Purge]) -> None:
    """Run each purge until it finds nothing more; what fails is logged, and tried again next time."""
    for purge in purges:
        try:
            while purge() == SLICE:
                pass
        except Exception as error:  # noqa: BLE001  whatever it is, the next minute may be better
            log_failure(error, {"cleaning": purge.__qualname__})


def _clean_on(purges: Sequence[Purge]) -> None:
    while True:
        time.sleep(random.uniform(0.5, 1.5) * _PAUSE_SECS)  # processes that start together clean in turns
        clean(purges)
