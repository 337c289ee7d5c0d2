"""Sending a dead letter's task again: the same task under the same id, or a corrected one under an id of its own.

The id is the idempotency key, so a service that honours keys sees one effect however often a letter is replayed.
A letter is forgotten only after its task was sent: killed between the two, the same message is sent twice.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from ..clients.config import RegistryConfig
from ..delivery.dead_letters import DeadLetter, DeadLetters, Reason
from .app import app
from .operation import KEY, CheckedTask
from .registry import track_usage
from .usage_batch import track_usage_batch

# What these tasks did before they ended is not known; a repeat is safe, something else in its place is not.
_UNKNOWN_OUTCOME = {Reason.UNCERTAIN, Reason.ATTEMPTS_EXHAUSTED, Reason.HARD_TIME_LIMIT, Reason.LOST_WORKER}


class NotReplayable(Exception):
    """A letter stays where it is; the text says why, and what to do."""


def replay(letters: DeadLetters, letter: DeadLetter, *, even_if_done: bool = False) -> str:
    """Send a letter's task again as it was, with what hangs on it (a chain, callbacks), and forget the letter.

    Its attempts and losses count from one again. Returns the task's id.
    Raises: NotReplayable; with `even_if_done` not where a repeat might count twice.
    """
    _task_of(letter)
    if not even_if_done and may_count_twice(letter):
        raise NotReplayable(
            "This usage may be counted already, and the Registry does not recognise repeats "
            "(REGISTRY_HONOURS_IDEMPOTENCY=false): compare the session's usage, then purge the letter, or replay it "
            "with --even-if-done."
        )
    call = letter.payload or {}
    embed = call.get("embed") or {}
    options = {"link": embed.get("callbacks"), "link_error": embed.get("errbacks"), "chain": embed.get("chain")}
    return _instead_of(letters, letter, lambda: _send(letter, call["args"], call["kwargs"], letter.id, options))


def replay_corrected(letters: DeadLetters, letter: DeadLetter, kwargs: dict[str, Any]) -> str:
    """Send a letter's task with other parameters, under a new id that is its idempotency key, and forget the letter.

    What hung on the first task is not sent. Returns the new task's id.
    Raises: NotReplayable where the first one may have taken effect; ValidationError, TypeError for wrong parameters.
    """
    task = _task_of(letter)
    if may_have_happened(letter):
        raise NotReplayable(
            f"What the first attempt did is not known ({letter.reason}): replay it as it was, or purge the letter "
            "when you have seen what the service holds."
        )
    checked = task.parameters.to_send((), {name: value for name, value in kwargs.items() if name != KEY})
    return _instead_of(letters, letter, lambda: _send(letter, [], checked, str(uuid4()), {}))


def may_have_happened(letter: DeadLetter) -> bool:
    """Whether an attempt may have taken effect; a refusal by the service (4xx) and a wrong payload have not."""
    refused = letter.status is not None and 400 <= letter.status < 500
    return letter.reason in _UNKNOWN_OUTCOME or (letter.reason is Reason.FAILED and not refused)


def may_count_twice(letter: DeadLetter) -> bool:
    """Whether a repeat of a usage report might be billed again."""
    ignores_keys = not RegistryConfig.from_env().honours_idempotency
    return letter.task in (track_usage.name, track_usage_batch.name) and may_have_happened(letter) and ignores_keys


def _task_of(letter: DeadLetter) -> CheckedTask[Any]:
    if "kwargs" not in (letter.payload or {}):
        raise NotReplayable("It is no task message, only bytes; look at it (--payload), then purge it.")
    task = app.tasks.get(letter.task or "")
    if not isinstance(task, CheckedTask):
        raise NotReplayable(f"No task here is called {letter.task}: deploy the release that knows it, then replay.")
    return task


def _instead_of(letters: DeadLetters, letter: DeadLetter, send: Callable[[], str]) -> str:
    with letters.replaying(letter.id) as mine:
        if not mine or letters.get(letter.id) is None:
            raise NotReplayable("Somebody else replays or removed it.")
        letters.forget_losses(letter.id)
        sent = send()
        letters.remove(letter.id, failed_at=letter.failed_at)
    return sent


def _send(letter: DeadLetter, args: list[Any], kwargs: dict[str, Any], task_id: str, options: dict[str, Any]) -> str:
    app.send_task(letter.task or "", args, kwargs, task_id=task_id, argsrepr="…", kwargsrepr="…", **options)
    return task_id
