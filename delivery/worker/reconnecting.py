"""When a worker that lost Redis tries to connect again: a fleet that lost it at one moment must not come back at one.

Celery's pauses are the same for all workers and grow to 30 seconds; its settings for them have no effect here.
"""

import random
from collections.abc import Iterator
from itertools import repeat

LONGEST_SECS = 1.8  # with the try itself at most two
_SHORTEST_SECS = 0.5  # where Redis replied that it serves nobody now: it would accept a connection at once
_TRIES_PER_SEC = 250.0  # the first tries of all workers together


def pauses(workers: int, rng: random.Random | None = None) -> Iterator[float]:
    """The pause before each try: random, up to two seconds; before the first one less, if the fleet is small.

    The later ones are at least half as long: drawn from zero, those of 500 workers would be 500 a second on average,
    and more in each second that is busier.
    """
    draw = (rng or random).uniform
    yield draw(0, min(LONGEST_SECS, workers / _TRIES_PER_SEC))
    yield from (draw(longest / 2, longest) for longest in repeat(LONGEST_SECS))


def pause_of_refused() -> float:
    """The pause where the server is there, and refuses commands for now."""
    return random.uniform(_SHORTEST_SECS, LONGEST_SECS)
