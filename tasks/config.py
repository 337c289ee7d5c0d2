"""Settings of producers and workers: the broker, retries, limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from marshmallow import ValidationError, fields
from marshmallow.validate import OneOf, Regexp

from ..clients.config import ClientSettings, MemoryGraphConfig, RegistryConfig, SchedulerConfig, VaultConfig
from ..clients.errors import InvalidConfig
from ..delivery import Bounds
from ..delivery.connections.address import (
    SOCKET,
    check_address,
    default_key_prefix,
    is_redis,
    refuse_old_prefix,
    with_checked_tls,
    with_hash_tag,
)
from ..delivery.keys import KEY_PREFIX, KEY_PREFIX_MUST
from ..schemas.settings import number, read_all, seconds, setting

# Its braces are meant as they are: marshmallow takes an error for a template.
_IS_PREFIX = Regexp(KEY_PREFIX, error=KEY_PREFIX_MUST.replace("{", "{{").replace("}", "}}"))
_HASH_TAG = "mgw"  # of the keys in a cluster


class StoreUrl(fields.String):
    """An address for Celery; over TLS the server's certificate is checked, unless the address says otherwise."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if is_redis(text):
            self._check(text)
        return with_checked_tls(text)

    def _check(self, url: str) -> None:
        try:
            check_address(url)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class RedisUrl(StoreUrl):
    """The address of a Redis server, or of the sentinels that know it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        self._check(text)
        if text.startswith(SOCKET):
            raise ValidationError("Must be redis://host:port/0 here: a socket is on one host.")
        return text


@dataclass(frozen=True)
class BrokerConfig(ClientSettings):
    """Where messages and state are kept; all that a producer needs."""

    redis_url: str = setting(
        "REDIS_URL",
        RedisUrl(),
        "redis://localhost:6379/0",
        "Redis for sweeps, breakers and dead letters; also broker and result store, unless these are set.",
        secret=True,
    )
    broker_url: str | None = setting("CELERY_BROKER_URL", RedisUrl(), None, "The broker's address.", secret=True)
    result_url: str | None = setting(
        "CELERY_RESULT_BACKEND", StoreUrl(), None, "The result store's address.", secret=True
    )
    key_prefix: str = setting(
        "KEY_PREFIX",
        fields.String(validate=_IS_PREFIX),
        "",
        "What stands before the name of every key in Redis; must be equal for all that share queues.",
    )
    key_prefix_old: str | None = setting(
        "KEY_PREFIX_OLD",
        fields.String(validate=_IS_PREFIX),
        None,
        "The prefix before a change; set and empty for none: workers bring over what arrives under the old names.",
        may_be_empty=True,
    )
    visibility_timeout_secs: int = setting(
        "VISIBILITY_TIMEOUT_SECS",
        number(5, 86_400),
        60,
        "Time until a dead worker's tasks are redelivered; must be equal for all that share the broker.",
    )
    message_max_bytes: int = setting(
        "MESSAGE_MAX_BYTES",
        number(65_536, 2**29),
        32 * 2**20,
        "Bytes that a task message may have, unpacked; must be equal for all that share the broker.",
    )
    min_replicas: int = setting(
        "REDIS_MIN_REPLICAS",
        number(0, 100),
        0,
        "Replicas that must have a task, a dead letter or a sweep's state before it counts as kept; 0: none.",
    )
    result_expires_secs: int = setting("RESULT_EXPIRES_SECS", number(1, 31_536_000), 3600, "How long a result is kept.")

    def mistakes(self) -> Iterator[str]:
        """Refuse a cluster whose nodes would share the keys."""
        try:
            for url in self._urls:
                with_hash_tag(url, self.prefix)
        except ValueError as error:
            yield f"key_prefix (KEY_PREFIX): {error}"
            return
        try:
            if self.key_prefix_old is not None:
                refuse_old_prefix(self.key_prefix_old, self.prefix, self._urls)
        except ValueError as error:
            yield f"key_prefix_old (KEY_PREFIX_OLD): {error}"

    @property
    def prefix(self) -> str:
        """What stands before the name of every key."""
        return self.key_prefix or default_key_prefix(_HASH_TAG, self._urls)

    @property
    def _urls(self) -> list[str]:
        return [url for url in (self.redis_url, self.broker_url, self.result_url) if url]

    @property
    def state(self) -> str:
        """The address of the Redis for sweeps, breakers and dead letters."""
        return with_hash_tag(self.redis_url, self.prefix)

    @property
    def broker(self) -> str:
        """The broker's address."""
        return with_hash_tag(self.broker_url or self.redis_url, self.prefix)

    @property
    def results(self) -> str:
        """The result store's address."""
        return with_hash_tag(self.result_url or self.redis_url, self.prefix)


@dataclass(frozen=True)
class TaskConfig(ClientSettings):
    """How tasks are tried again, and how long one may run."""

    max_attempts: int = setting(
        "TASK_MAX_ATTEMPTS", number(1, 1000), 8, "Retry budget of a task; the first attempt counts."
    )
    backoff_secs: int = setting("TASK_BACKOFF_SECS", number(1, 3600), 1, "Backoff before the second attempt.")
    backoff_max_secs: int = setting("TASK_BACKOFF_MAX_SECS", number(1, 86_400), 300, "The longest backoff.")
    time_limit_secs: float = setting("TASK_TIME_LIMIT_SECS", seconds(), 600.0, "A task that runs longer is killed.")
    grace_secs: float = setting(
        "WORKER_GRACE_SECS",
        seconds(),
        30.0,
        "Grace period: time for a stopping worker to finish its in-flight tasks.",
    )
    usage_waits_for_session_secs: int = setting(
        "USAGE_WAITS_FOR_SESSION_SECS",
        number(0, 86_400),
        300,
        "How long usage, a status or a reopening waits for its session to be registered, without spending attempts.",
    )
    calls_side_by_side: int = setting(
        "CALLS_SIDE_BY_SIDE",
        number(1, 64),
        16,
        "Calls that a batch of sessions or usage reports makes at the same time.",
    )


@dataclass(frozen=True)
class DeadLetterConfig(ClientSettings):
    """How much is kept of what failed for good; beyond it the largest group of letters gives way."""

    most: int = setting("DEAD_LETTERS_MAX", number(1, 10_000_000), 100_000, "Dead letters that are kept.")
    most_bytes: int = setting(
        "DEAD_LETTERS_MAX_BYTES", number(1024, 2**40), 256 * 2**20, "Bytes that all dead letters may have together."
    )
    kept_days: int = setting("DEAD_LETTERS_KEPT_DAYS", number(1, 36_500), 90, "Days a dead letter is kept.")

    when_full: str = setting(
        "DEAD_LETTERS_WHEN_FULL",
        fields.String(validate=OneOf(("drop", "hold"))),
        "drop",
        "`hold` holds a queue whose tasks leave so many letters of one kind that they fill a quarter of a bound.",
    )
    quarantine_most: int = setting(
        "QUARANTINE_MAX", number(1, 10_000_000), 10_000, "Messages that are no tasks, and are kept in quarantine."
    )
    quarantine_bytes: int = setting(
        "QUARANTINE_MAX_BYTES", number(1024, 2**40), 32 * 2**20, "Bytes that all of them may have together."
    )

    @property
    def bounds(self) -> Bounds:
        """The same for delivery, which names the settings in its warnings."""
        return Bounds(
            most=self.most,
            most_bytes=self.most_bytes,
            kept_days=self.kept_days,
            quarantine_most=self.quarantine_most,
            quarantine_bytes=self.quarantine_bytes,
            hold_when_full=self.when_full == "hold",
            names=(
                "DEAD_LETTERS_MAX",
                "DEAD_LETTERS_MAX_BYTES",
                "DEAD_LETTERS_KEPT_DAYS",
                "QUARANTINE_MAX",
                "QUARANTINE_MAX_BYTES",
            ),
        )


@dataclass(frozen=True)
class WorkerConfig:
    """Everything a worker needs."""

    broker: BrokerConfig
    registry: RegistryConfig
    vault: VaultConfig
    memory_graph: MemoryGraphConfig
    scheduler: SchedulerConfig
    tasks: TaskConfig
    dead_letters: DeadLetterConfig

    @classmethod
    def from_env(cls) -> "WorkerConfig":
        """Read all settings.

        Raises: InvalidConfig listing the mistakes of every group.
        """
        services = (RegistryConfig, VaultConfig, MemoryGraphConfig)
        groups = (BrokerConfig, *services, SchedulerConfig, TaskConfig, DeadLetterConfig)
        return cls(*cast("tuple[Any, ...]", tuple(read_all(None, *groups))))


def read_producer_settings() -> tuple[BrokerConfig, TaskConfig, Bounds, InvalidConfig | None]:
    """What the app is made with, and what is wrong with it: whoever sends or starts is told, not whoever imports.

    Only workers keep dead letters: mistakes in their bounds stop a worker's start (`WorkerConfig`) and no producer.
    """
    try:
        bounds = DeadLetterConfig.from_env().bounds
    except InvalidConfig:
        bounds = Bounds()
    try:
        broker, tasks = read_all(None, BrokerConfig, TaskConfig)
    except InvalidConfig as mistakes:
        return BrokerConfig(), TaskConfig(), bounds, mistakes
    return cast(BrokerConfig, broker), cast(TaskConfig, tasks), bounds, None
