"""What `install` has set up on an app, for whoever needs it: workers, tasks, and tools such as `mgw dead`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import redis
from celery import Celery

from .bounds import Bounds
from .connections.address import restore_credentials
from .connections.connection import connect
from .dead_letters.store import DeadLetters, dead_letters_at
from .errors import InvalidConfig
from .held_queues.holds import HoldStore
from .keys import Keys

BreakerOf = Callable[[str], Any]
Probe = Callable[[str], object]


@dataclass(frozen=True)
class Installed:
    """What `install` was told, and the stores that go with it."""

    url: str = field(repr=False)
    state_url: str = field(repr=False)
    key_prefix: str  # before the name of every key and channel, also those of kombu and of results
    key_prefix_old: str | None  # from which workers bring over what arrives; "" stands for names without prefix
    unprefixed_keys: Keys  # as kombu's channels name them, which add the key prefix
    visibility_timeout_secs: int
    grace_secs: float
    bounds: Bounds
    needs: Mapping[str, tuple[str, ...]]
    breaker: BreakerOf | str | None
    probe: Probe | str | None
    pause_secs: float
    message_max_bytes: int
    min_replicas: int

    @property
    def keys(self) -> Keys:
        """The names of the app's keys in Redis."""
        return self.unprefixed_keys.under(self.key_prefix)

    @cached_property
    def _broker(self) -> redis.Redis:
        """The Redis of queues and their permits."""
        if restore_credentials(self.url) == restore_credentials(self.state_url):
            return self.redis
        return connect(self.url, timeout_secs=10, connect_timeout_secs=5, health_check_interval=30)

    @cached_property
    def redis(self) -> redis.Redis:
        """The Redis of dead letters and holds; its responses are bytes."""
        return connect(self.state_url, timeout_secs=10, connect_timeout_secs=5, health_check_interval=30)

    @property
    def dead_letters(self) -> DeadLetters:
        """What failed for good."""
        return dead_letters_at(self.state_url, self.keys, self.bounds, self.min_replicas)

    @cached_property
    def holds(self) -> HoldStore:
        """What is held, since when and why."""
        return HoldStore(self.redis, self.keys, self._broker, self.needs)


_INSTALLED: "WeakKeyDictionary[Celery[Any], Installed]" = WeakKeyDictionary()


def remember(app: "Celery[Any]", found: Installed) -> None:
    """Note what was installed on an app."""
    _INSTALLED[app] = found


def installed(app: Any) -> Installed:
    """What was installed on an app.

    Raises: InvalidConfig where nothing was.
    """
    found = installed_or_none(app)
    if found is None:
        raise InvalidConfig(
            f"Delivery is not installed on the app {app.main!r}: call install(app, url) where it is made."
        )
    return found


def installed_or_none(app: Any) -> Installed | None:
    """What was installed on an app, or None."""
    return _INSTALLED.get(app)
