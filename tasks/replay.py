"""Replaying dead letters of this app's tasks: checks parameters, and protects usage from being counted twice."""

import dataclasses
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from ..clients.config import AUTO, RegistryConfig
from ..clients.errors import TransientError
from ..clients.registry import RegistryClient
from ..clients.retry import ONCE
from ..delivery.dead_letters import replay as generic
from ..delivery.dead_letters.replay import NotReplayable, may_have_happened
from ..delivery.dead_letters.store import DeadLetter, DeadLetters
from ..delivery.messages.call_options import kept_options
from ..schemas.fields import parse_timestamp
from .app import app
from .operation import KEY, CheckedTask
from .registry import track_usage
from .session_wait import without_wait
from .usage_batch import track_usage_batch


def replay(letters: DeadLetters, letter: DeadLetter, *, even_if_done: bool = False, **how: bool) -> str:
    """Send a letter's task again as it was, and remove the letter; returns the task's id.

    Raises: NotReplayable, also if usage might count twice; `even_if_done` allows that. `how` is what the generic
    replay takes: `alone`, `even_if_expired`.
    """
    _task_of(letter)
    if not even_if_done and may_count_twice(letter):
        raise NotReplayable(
            "This usage may have been counted, and nothing says that the Registry would know it again "
            f"(REGISTRY_HONOURS_IDEMPOTENCY={str(RegistryConfig.from_env().honours_idempotency).lower()}): compare the "
            "session's usage, then purge the letter, or replay it with --even-if-done."
        )
    return generic.replay(app, letters, waiting_from_now(letter), **how)


def replay_corrected(letters: DeadLetters, letter: DeadLetter, kwargs: dict[str, Any], **how: bool) -> str:
    """Send a letter's task with other parameters under a new id, which is its idempotency key, and remove the letter.

    Returns the new task's id.
    Raises: NotReplayable if the first attempt may have taken effect; ValidationError, TypeError for wrong parameters.
    """
    _task_of(letter)
    own = {name: value for name, value in kwargs.items() if name != KEY}
    return generic.replay_corrected(app, letters, letter, own, _checked, **how)


def waiting_from_now(letter: DeadLetter) -> DeadLetter:
    """Return a letter so that its task may wait for its session as long as a new one."""
    payload, options = letter.payload or {}, kept_options(letter.payload)
    if "headers" not in options:
        return letter
    headers = without_wait(options["headers"])
    return dataclasses.replace(letter, payload={**payload, "options": {**options, "headers": headers}})


def _checked(task: CheckedTask[Any], given: dict[str, Any]) -> dict[str, Any]:
    return task.parameters.to_send((), given)


def may_count_twice(letter: DeadLetter) -> bool:
    """Whether a repeat of a usage report might be billed again."""
    is_usage = letter.task in (track_usage.name, track_usage_batch.name)
    return is_usage and may_have_happened(letter) and not _is_known_again(letter)


def _is_known_again(letter: DeadLetter) -> bool:
    """Whether the Registry knows the letter's key: it honours keys now, did then, and keeps them for that long."""
    config = RegistryConfig.from_env()
    if not config.honours_idempotency:
        return False
    days = _known_days(config)
    if config.honours_idempotency == AUTO and (days is None or letter.keys_believed is False):
        return False
    seen = letter.first_seen or letter.failed_at
    age = datetime.now(UTC) - parse_timestamp(seen) if seen else timedelta()
    return days is None or age / timedelta(days=1) <= days


@cache
def _client(config: RegistryConfig) -> RegistryClient:
    return RegistryClient(config, retry_policy=ONCE)


def _known_days(config: RegistryConfig) -> float | None:
    try:
        return _client(config).known_days()
    except TransientError:
        return None


def _task_of(letter: DeadLetter) -> CheckedTask[Any]:
    task = generic.task_of(app, letter)
    if not isinstance(task, CheckedTask):
        raise NotReplayable(f"{letter.task} is not a task of this package. Look at it (--payload), then purge it.")
    return task
