"""The names of everything that delivery keeps in Redis, in one place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

PLAIN_UNACKED = "unacked"  # where kombu's own transport keeps in-flight messages
KEY_PREFIX = re.compile(r"([A-Za-z0-9_.:{}-]{0,63}:)?\Z")  # what may stand before the name of every key
KEY_PREFIX_MUST = "Must be up to 64 letters, digits or characters _.:{}- that end with a colon, like blue:."
DEFAULT_PREFIX = "delivery"  # of a channel that no `install` has set up


def prefix_option(key_prefix: str) -> dict[str, str]:
    """The option that puts a prefix before each key's name: of kombu's channels, and of Celery's result stores."""
    return {"global_keyprefix": key_prefix} if key_prefix else {}


@dataclass(frozen=True)
class PotKeys:
    """The Redis keys of one pot of dead letters; all begin with its prefix."""

    prefix: str

    @property
    def letters(self) -> str:
        """A hash: each letter as JSON, by its id."""
        return f"{self.prefix}:letters"

    @property
    def by_time(self) -> str:
        """A sorted set: when each letter's task failed last."""
        return f"{self.prefix}:by_time"

    @property
    def first_seen(self) -> str:
        """A sorted set: when each letter's task failed first."""
        return f"{self.prefix}:first_seen"

    @property
    def size_bytes(self) -> str:
        """How many bytes all letters have together."""
        return f"{self.prefix}:bytes"

    @property
    def group_of(self) -> str:
        """A hash: the name of each letter's group."""
        return f"{self.prefix}:group_of"

    @property
    def groups_by_count(self) -> str:
        """A sorted set: how many letters each group has."""
        return f"{self.prefix}:groups_by_count"

    @property
    def groups_by_bytes(self) -> str:
        """A sorted set: how many bytes the letters of each group have together."""
        return f"{self.prefix}:groups_by_bytes"

    @property
    def group_queues(self) -> str:
        """A hash: the queue of each group's newest letter."""
        return f"{self.prefix}:group_queues"

    @property
    def gave_way(self) -> str:
        """A hash: how many letters of each group were dropped because a bound was reached."""
        return f"{self.prefix}:gave_way"

    @property
    def gave_way_at(self) -> str:
        """A sorted set: when that happened last to each group."""
        return f"{self.prefix}:gave_way_at"

    def group(self, name: str) -> str:
        """A sorted set: when each letter of one group failed last."""
        return f"{self.prefix}:group:{name}"

    @property
    def types(self) -> dict[str, str]:
        """The type of each key, as Redis calls it."""
        strings = {self.size_bytes: "string"}
        hashes = dict.fromkeys((self.letters, self.group_of, self.group_queues, self.gave_way), "hash")
        sets = (self.by_time, self.first_seen, self.groups_by_count, self.groups_by_bytes, self.gave_way_at)
        return {**strings, **hashes, **dict.fromkeys(sets, "zset")}

    @property
    def of_scripts(self) -> list[str]:
        """The keys in the order in which scripts/letters.lua takes them."""
        return [
            self.letters,
            self.by_time,
            self.first_seen,
            self.size_bytes,
            self.group_of,
            self.groups_by_count,
            self.groups_by_bytes,
            self.group_queues,
            self.gave_way,
            self.gave_way_at,
            self.group(""),
        ]


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one app; all begin with its prefix, except where `unacked_key` names the in-flight messages."""

    prefix: str = DEFAULT_PREFIX
    unacked_key: str = ""

    def under(self, key_prefix: str) -> "Keys":
        """The same keys with something before each name."""
        return Keys(f"{key_prefix}{self.prefix}", f"{key_prefix}{self.unacked}")

    @property
    def unacked(self) -> str:
        """A hash: each in-flight message, by its delivery tag."""
        return self.unacked_key or f"{self.prefix}:unacked"

    @property
    def unacked_index(self) -> str:
        """A sorted set: when each in-flight message was taken or last renewed."""
        return f"{self.unacked}_index"

    @property
    def unacked_mutex(self) -> str:
        """kombu's lock for those that restore messages."""
        return f"{self.unacked}_mutex"

    @property
    def letters(self) -> str:
        """A hash: each dead letter as JSON, by its id."""
        return self.failures.letters

    @property
    def failures(self) -> "PotKeys":
        """Where the dead letters of tasks are."""
        return PotKeys(f"{self.prefix}:dead")

    @property
    def quarantine(self) -> "PotKeys":
        """Where the dead letters of messages are that are no tasks."""
        return PotKeys(f"{self.prefix}:dead:quarantine")

    def losses(self, task_id: str) -> str:
        """How often a task took its child process down."""
        return f"{self.prefix}:dead:losses:{task_id}"

    def replaying(self, letter_id: str) -> str:
        """There while somebody replays the letter."""
        return f"{self.prefix}:dead:replaying:{letter_id}"

    def permits(self, queue: str) -> str:
        """How many messages of a held queue may be taken; absent, all of them."""
        return f"{self.prefix}:hold:queue:{queue}"

    def hold(self, service: str) -> str:
        """A hash: how a service is held, since when and why."""
        return f"{self.prefix}:hold:service:{service}"

    def asked(self, service: str) -> str:
        """There until the wait that a service asked for is over."""
        return f"{self.prefix}:hold:asked:{service}"

    @property
    def full(self) -> str:
        """A hash: the queues that are held because their dead letters fill up, and since when."""
        return f"{self.prefix}:hold:full"

    @property
    def by_hand(self) -> str:
        """A hash: what a person decided about a queue, by the queue."""
        return f"{self.prefix}:hold:by_hand"

    def trial(self, service: str) -> str:
        """There while somebody asks for a service's next trial."""
        return f"{self.prefix}:hold:trial:{service}"

    @property
    def refused(self) -> str:
        """There for some seconds after a task met an open circuit breaker."""
        return f"{self.prefix}:hold:refused"

    @property
    def workers(self) -> str:
        """A sorted set: until when each worker counts as there."""
        return f"{self.prefix}:workers"

    def alike(self, queues: Iterable[str]) -> str:
        """A sorted set: the same, of those workers that consume just these queues."""
        return f"{self.workers}:{blake2b(' '.join(sorted(queues)).encode(), digest_size=8).hexdigest()}"

    @property
    def wake(self) -> str:
        """A channel on which idle workers hear that messages wait."""
        return f"{self.prefix}:wake"

    @property
    def woken(self) -> str:
        """There for a moment after somebody spoke on that channel."""
        return f"{self.prefix}:woken"

    @property
    def nothing(self) -> str:
        """Never there: to delete it changes nothing, and a server that may not write refuses to."""
        return f"{self.prefix}:nothing"

    def moving(self, name: str) -> str:
        """A list: items of another key on their way to other names; the first one is the name of this slice of them."""
        return f"{self.prefix}:moving:{name}"

    @property
    def moved(self) -> str:
        """A sorted set: when each slice of items came here from other names."""
        return f"{self.prefix}:moved"

    @property
    def leader(self) -> str:
        """The worker that turns the states of held services."""
        return f"{self.prefix}:hold:leader"
