"""Replaying dead letters of this app's tasks: checks parameters, and protects usage from being counted twice."""

import dataclasses
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ..clients.config import AUTO, RegistryConfig
from ..clients.errors import TransientError
from ..clients.registry import RegistryClient
from ..clients.retry import ONCE
from ..delivery.dead_letters import replay as generic
from ..delivery.dead_letters.replay import NotReplayable, first_done, may_have_happened
from ..delivery.dead_letters.store import DeadLetter, DeadLetters, Reason
from ..delivery.messages.attempts import noting_repeat_needs_keys, repeat_needs_keys, was_lost
from ..delivery.messages.call_options import kept_options
from ..schemas.base import ValidationError
from ..schemas.usage import KeyedUsageReport
from .app import app
from .operation import KEY, CheckedTask
from .registry import track_usage
from .session_wait import without_wait
from .usage_batch import track_usage_batch

KEPT_DAYS = "keys_kept_days"  # a header: for how many days at least the Registry said that it knows the key
_DAY_SECS = 86_400
_ON_ITS_WAY_SECS = 3600  # from the start of an attempt to its letter, and from a replay to the Registry


def replay(letters: DeadLetters, letter: DeadLetter, *, even_if_done: bool = False, **how: bool) -> str:
    """Send a letter's task again as it was, and remove the letter; returns the task's id.

    Raises: NotReplayable, also if usage might count twice; `even_if_done` allows that. `how` is what the generic
    replay takes: `alone`, `even_if_expired`.
    """
    _task_of(letter)
    if not even_if_done and may_count_twice(letter):
        setting = str(RegistryConfig.from_env().honours_idempotency).lower()
        raise NotReplayable(
            "This usage may have been counted, and a replay may count twice: nothing says that the Registry still "
            f"knows its key (REGISTRY_HONOURS_IDEMPOTENCY={setting}). Compare the session's usage, then purge the "
            "letter, or replay it with --even-if-done."
        )
    return generic.replay(app, letters, _with_kept_days(_as_new(letter, even_if_done=even_if_done)), **how)


def replay_corrected(letters: DeadLetters, letter: DeadLetter, kwargs: dict[str, Any], **how: bool) -> str:
    """Send a letter's task with other parameters under a new id, which is its idempotency key, and remove the letter.

    Returns the new task's id.
    Raises: NotReplayable if the first attempt may have taken effect; ValidationError, TypeError for wrong parameters.
    """
    _task_of(letter)
    if _lost_attempt_may_have_counted(letter):
        raise NotReplayable(
            "An attempt at this usage was lost and may have been counted, and under a new id it would count again: "
            "replay it as it was, or purge it and compare the session's usage before you send another report."
        )
    own = {name: value for name, value in kwargs.items() if name != KEY}
    return generic.replay_corrected(app, letters, letter, own, _checked, **how)


def waiting_from_now(letter: DeadLetter) -> DeadLetter:
    """Return a letter so that its task may wait for its session as long as a new one."""
    options = kept_options(letter.payload)
    return _with_headers(letter, without_wait(options["headers"])) if "headers" in options else letter


def _as_new(letter: DeadLetter, *, even_if_done: bool) -> DeadLetter:
    """Return a letter that waits from now on, and whose usage that may be counted is sent only while keys are believed.

    If a person wants it sent whatever was done before, it is sent in any case.
    """
    letter = waiting_from_now(letter)
    headers = kept_options(letter.payload).get("headers", {})
    if even_if_done:
        keys = set[str]()
    elif not was_lost(headers) and _is_usage(letter) and may_have_happened(letter):
        keys = repeat_needs_keys(headers) | _keys_of(letter)
    else:
        return letter
    noted = noting_repeat_needs_keys(headers, keys)
    return letter if noted == headers else _with_headers(letter, noted)


def _keys_of(letter: DeadLetter) -> set[str]:
    """Return the idempotency keys of a letter's usage reports, as a worker takes them from its message."""
    call = letter.payload or {}
    try:
        values = _task_of(letter).received_as(call.get("args") or (), call.get("kwargs") or {}, letter.id)
    except ValidationError:
        return set()  # such a report was never sent
    reports: list[KeyedUsageReport] = values.get("reports", [])
    return {report.idempotency_key for report in reports} or {str(values.get(KEY) or letter.id)}


def _checked(task: CheckedTask[Any], given: dict[str, Any]) -> dict[str, Any]:
    return task.parameters.to_send((), given)


def may_count_twice(letter: DeadLetter) -> bool:
    """Whether a repeat of a usage report might be billed again."""
    return _is_usage(letter) and may_have_happened(letter) and not _is_known_again(letter)


def _lost_attempt_may_have_counted(letter: DeadLetter) -> bool:
    """Whether an attempt at usage was lost that sent it: of a wrong payload none does."""
    lost = was_lost(kept_options(letter.payload).get("headers"))
    return lost and _is_usage(letter) and letter.reason is not Reason.INVALID_PAYLOAD


def _is_usage(letter: DeadLetter) -> bool:
    return letter.task in (track_usage.name, track_usage_batch.name)


def _is_known_again(letter: DeadLetter) -> bool:
    """Whether the Registry knows the letter's key: it honours keys now, did then, and has kept them all the time.

    The age is the first attempt's that may have been counted, and the days are the fewest that the Registry has named:
    what it forgot, it does not know again when the setting is raised.
    """
    config = RegistryConfig.from_env()
    if not config.honours_idempotency:
        return False
    days = _known_days(config)
    if config.honours_idempotency == AUTO and (days is None or not _was_believed(letter)):
        return False
    known = [named for named in (days, _kept_days(letter)) if named is not None]
    since = first_done(letter)
    if since is None or not known:
        return True
    return datetime.now(UTC).timestamp() - since + _ON_ITS_WAY_SECS <= min(known) * _DAY_SECS


def _was_believed(letter: DeadLetter) -> bool:
    """Whether keys were believed at each attempt that may have been counted.

    A letter of the worker's parent (a lost child, the time limit), of an unexpected error, or of a task that an attempt
    was lost with does not know. Exhausted attempts without a belief sent nothing at last, and a report that got no
    response before was believed: without belief it is never sent again.
    """
    if was_lost(kept_options(letter.payload).get("headers")):
        return False
    if letter.keys_believed is None:
        return letter.reason is Reason.ATTEMPTS_EXHAUSTED
    return letter.keys_believed


def _kept_days(letter: DeadLetter) -> float | None:
    """Return the fewest days that the Registry has named to an attempt at this task; None if none is known."""
    carried = kept_options(letter.payload).get("headers", {}).get(KEPT_DAYS)
    named = [days for days in (letter.keys_kept_days, carried) if isinstance(days, int | float)]
    return min(named, default=None)


def _with_kept_days(letter: DeadLetter) -> DeadLetter:
    days = _kept_days(letter)
    if days is None:
        return letter
    return _with_headers(letter, {**kept_options(letter.payload).get("headers", {}), KEPT_DAYS: days})


def _with_headers(letter: DeadLetter, headers: dict[str, Any]) -> DeadLetter:
    options = {**kept_options(letter.payload), "headers": headers}
    return dataclasses.replace(letter, payload={**(letter.payload or {}), "options": options})


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
