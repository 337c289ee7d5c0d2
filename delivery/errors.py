"""What delivery itself refuses, and what it cannot promise."""

from collections.abc import Sequence

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError


class InvalidConfig(Exception):
    """An app cannot be given delivery as it is set up.

    Change what the message names; it says why.
    """

    showable = True


class UnfitMessage(ValueError):
    """A message was not sent, because every worker would set it aside.

    Correct the part that the message names, and send again.
    """

    showable = True

    def __init__(self, part: str) -> None:
        """`part` says what is wrong, and quotes nothing."""
        super().__init__(part)
        self.part = part

    def __str__(self) -> str:
        return f"Not sent, because a worker would set it aside ({self.part}): change the call and send it again."


class DeliveryUncertain(OperationalError, RedisError):
    """The primary has what was written, and fewer replicas than `wanted` confirmed it: a failover could lose it.

    Send tasks again under the same `task_ids`: nothing was undone, and nothing is sent again by itself.

    A dead letter and the state of a sweep have no `task_ids`. It is an OperationalError of kombu, so that whoever keeps
    what could not be sent keeps this, too, and an error of redis-py for whoever writes to Redis.
    """

    showable = True

    def __init__(self, confirmed: int, wanted: int, task_ids: Sequence[str] = (), why: str = "") -> None:
        """`why` says what hindered the replicas' count, if it was not the time."""
        super().__init__(confirmed, wanted, list(task_ids), why)
        self.confirmed, self.wanted, self.task_ids, self.why = confirmed, wanted, list(task_ids), why

    @property
    def count(self) -> str:
        """How many replicas confirmed, in a few words."""
        return f"{self.confirmed} of {self.wanted} replicas confirmed it {f'({self.why})' if self.why else 'in time'}"

    def __str__(self) -> str:
        return f"The primary has it, but {self.count}, so a failover could lose it. {self._next} See: mgw doctor"

    @property
    def _next(self) -> str:
        if not self.task_ids:
            return "Do the same again: that is safe."
        if len(self.task_ids) > 1:
            return f"Send all {len(self.task_ids)} calls again with this error's task_ids: that is safe."
        return f"Send it again with task_id={self.task_ids[0]!r}: that is safe, and with another id it is another task."


def unopened_compression(where: str, compression: object) -> str:
    """What to say of a setting that compresses messages in a way that no worker opens."""
    return (
        f"{where} is {compression!r}, and workers open only zlib and gzip: they would set every such message aside. "
        "Set it to 'zlib' or 'gzip', or to None."
    )
