"""The names of everything that delivery keeps in Redis, in one place."""

from dataclasses import dataclass

PLAIN_UNACKED = "unacked"  # where kombu's own transport keeps in-flight messages
DEFAULT_PREFIX = "delivery"  # of a channel that no `install` has set up


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one app; all begin with its prefix, except where `unacked_key` names the in-flight messages."""

    prefix: str = DEFAULT_PREFIX
    unacked_key: str = ""

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
        return f"{self.prefix}:dead:letters"

    @property
    def letters_by_time(self) -> str:
        """A sorted set: when each letter's task failed last."""
        return f"{self.prefix}:dead:by_time"

    @property
    def letters_first_seen(self) -> str:
        """A sorted set: when each letter's task failed first."""
        return f"{self.prefix}:dead:first_seen"

    @property
    def letters_bytes(self) -> str:
        """How many bytes all letters have together."""
        return f"{self.prefix}:dead:bytes"

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

    def trial(self, service: str) -> str:
        """There while somebody asks for a service's next trial."""
        return f"{self.prefix}:hold:trial:{service}"

    @property
    def leader(self) -> str:
        """The worker that turns the states of held services."""
        return f"{self.prefix}:hold:leader"
