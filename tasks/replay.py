"""Replaying dead letters of this app's tasks: checks parameters, and protects usage from being counted twice."""

from typing import Any

from ..clients.config import RegistryConfig
from ..delivery import replay as generic
from ..delivery.dead_letters import DeadLetter, DeadLetters
from ..delivery.replay import NotReplayable, may_have_happened
from .app import app
from .operation import KEY, CheckedTask
from .registry import track_usage
from .usage_batch import track_usage_batch


def replay(letters: DeadLetters, letter: DeadLetter, *, even_if_done: bool = False, **how: bool) -> str:
    """Send a letter's task again as it was, and remove the letter; returns the task's id.

    Raises: NotReplayable, also if usage might count twice; `even_if_done` allows that. `how` is what the generic
    replay takes: `alone`, `even_if_expired`.
    """
    _task_of(letter)
    if not even_if_done and may_count_twice(letter):
        raise NotReplayable(
            "This usage may have been counted, and the Registry does not deduplicate repeats "
            "(REGISTRY_HONOURS_IDEMPOTENCY=false): compare the session's usage, then purge the letter, or replay it "
            "with --even-if-done."
        )
    return generic.replay(app, letters, letter, **how)


def replay_corrected(letters: DeadLetters, letter: DeadLetter, kwargs: dict[str, Any], **how: bool) -> str:
    """Send a letter's task with other parameters under a new id, which is its idempotency key, and remove the letter.

    Returns the new task's id.
    Raises: NotReplayable if the first attempt may have taken effect; ValidationError, TypeError for wrong parameters.
    """
    _task_of(letter)
    own = {name: value for name, value in kwargs.items() if name != KEY}
    return generic.replay_corrected(app, letters, letter, own, _checked, **how)


def _checked(task: CheckedTask[Any], given: dict[str, Any]) -> dict[str, Any]:
    return task.parameters.to_send((), given)


def may_count_twice(letter: DeadLetter) -> bool:
    """Whether a repeat of a usage report might be billed again."""
    ignores_keys = not RegistryConfig.from_env().honours_idempotency
    return letter.task in (track_usage.name, track_usage_batch.name) and may_have_happened(letter) and ignores_keys


def _task_of(letter: DeadLetter) -> CheckedTask[Any]:
    task = generic.task_of(app, letter)
    if not isinstance(task, CheckedTask):
        raise NotReplayable(f"{letter.task} is not a task of this package. Look at it (--payload), then purge it.")
    return task
