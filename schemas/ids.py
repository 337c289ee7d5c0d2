"""Random UUIDs, generated in batches."""

import os
from uuid import UUID

_DRAWN_AT_ONCE = 100
_drawn: list[str] = []


def random_id() -> str:
    """Return a random UUID (version 4).

    UUIDs are generated in batches, because each read of `os.urandom` releases the interpreter's lock, and among busy
    threads that costs a turn.
    """
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            drawn = os.urandom(16 * _DRAWN_AT_ONCE)
            _drawn.extend(str(UUID(bytes=drawn[at : at + 16], version=4)) for at in range(0, len(drawn), 16))


# A forked child must not return the ids that its parent returns.
os.register_at_fork(after_in_child=_drawn.clear)
