"""The facts of a reading: samples, which are metrics, and notes beside them, which only people read."""

from typing import NamedTuple


class Sample(NamedTuple):
    """One number; `labels` in the order of the metric's row in `GAUGES` or `COUNTERS`."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Note(NamedTuple):
    """A text, such as the id of a sweep. It may come from anywhere and say anything, so it becomes no metric."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


Fact = Sample | Note
