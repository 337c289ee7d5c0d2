"""Replay: send a dead letter's task again, under the same id, or with corrected parameters under a new id.

The task's id is the idempotency key that a service sees, so a letter has one effect however often it is replayed.
A letter is removed only after its task was sent: if the process is killed in between, the message is sent twice.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from ..messages.attempts import is_refusal, maybe_done_at, noting_maybe_done
from ..messages.call_options import kept_options, sending_options
from ..redaction import HIDDEN
from ..settings import installed
from ..timestamps import format_timestamp, now, parse_timestamp
from .chords import Part, body_can_run, forget_failures, part_of
from .store import DeadLetter, DeadLetters, Reason
from .unopened import UNOPENED, StillUnfit, send_unopened, unopened

# The effect of these tasks is unknown; repeating one is safe, sending something else in its place is not.
_UNKNOWN_OUTCOME = {Reason.UNCERTAIN, Reason.ATTEMPTS_EXHAUSTED, Reason.HARD_TIME_LIMIT, Reason.LOST_WORKER}


Check = Callable[[Any, dict[str, Any]], dict[str, Any]]


class NotReplayable(Exception):
    """The letter stays where it is; the text says why, and what to do."""


def replay(
    app: Any, letters: DeadLetters, letter: DeadLetter, *, alone: bool = False, even_if_expired: bool = False
) -> str:
    """Send a letter's task again, with its callbacks and the rest of its chain or chord, and remove the letter.

    It keeps its eta, expiry, time limits, priority and headers; attempts and losses are counted from one again. `alone`
    sends a part of a chord although the body will not run; `even_if_expired` sends without the expiry that has passed.
    Returns the task's id.
    Raises: NotReplayable.
    """
    task_of(app, letter)
    if (envelope := unopened(letter.payload)) is not None:
        return _replay_unopened(app, letters, letter, envelope, even_if_expired=even_if_expired)
    call = letter.payload or {}
    embed = call.get("embed") or {}
    options = {"link": embed.get("callbacks"), "link_error": embed.get("errbacks"), "chain": embed.get("chain")}
    options |= _how_it_was_to_run(letter, even_if_expired=even_if_expired)
    since = first_done(letter)
    if since is not None:
        options["headers"] = noting_maybe_done(options.get("headers"), since)
    part = _part_to_send(app, letter, alone=alone, same_id=True)
    return _instead_of(
        letters, letter, lambda: _send(app, letter, call["args"], call["kwargs"], letter.id, options, part)
    )


def replay_corrected(
    app: Any,
    letters: DeadLetters,
    letter: DeadLetter,
    kwargs: dict[str, Any],
    check: Check | None = None,
    *,
    alone: bool = False,
    even_if_expired: bool = False,
) -> str:
    """Send a letter's task with other parameters and a new id, without what followed it, and remove the letter.

    It runs as it was to run, see `replay`, and takes its place in its chord.
    `check` takes the task and the parameters, and returns the parameters to send; without it they must fit the task's
    signature. Returns the new task's id.
    Raises: NotReplayable if the first attempt may have taken effect; what `check` raises, or TypeError.
    """
    task = task_of(app, letter)
    if may_have_happened(letter):
        raise NotReplayable(
            f"What the first attempt did is not known ({letter.reason}): replay it as it was, or purge the letter "
            "when you have seen what the service holds."
        )
    checked = (check or _fits_signature)(task, kwargs)
    options = _how_it_was_to_run(letter, even_if_expired=even_if_expired)
    part = _part_to_send(app, letter, alone=alone, same_id=False)
    return _instead_of(letters, letter, lambda: _send(app, letter, [], checked, str(uuid4()), options, part))


def may_have_happened(letter: DeadLetter) -> bool:
    """Whether an attempt may have taken effect, also one before an earlier letter of the task.

    After a refusal by the service (4xx) or a wrong payload the last one has not.
    """
    return _last_may_have_happened(letter) or _earlier_done(letter) is not None


def first_done(letter: DeadLetter) -> float | None:
    """When the first attempt ended that may have taken effect, in seconds since 1970; None if none has.

    A later letter of a task that was tried again or replayed tells it, too.
    """
    seen = letter.first_seen or letter.failed_at
    last = parse_timestamp(seen).timestamp() if seen and _last_may_have_happened(letter) else None
    return min((time for time in (_earlier_done(letter), last) if time is not None), default=None)


def _last_may_have_happened(letter: DeadLetter) -> bool:
    return letter.reason in _UNKNOWN_OUTCOME or (letter.reason is Reason.FAILED and not is_refusal(letter.status))


def _earlier_done(letter: DeadLetter) -> float | None:
    return maybe_done_at(kept_options(letter.payload).get("headers"))


def task_of(app: Any, letter: DeadLetter) -> Any:
    """The app's task that a letter is about.

    Raises: NotReplayable if the letter holds no call of a task, or the app does not know the task.
    """
    if not {"kwargs", UNOPENED} & set(letter.payload or {}):
        raise NotReplayable("It is not a task message, only bytes. Look at it (--payload), then purge it.")
    task = app.tasks.get(letter.task or "")
    if task is None:
        raise NotReplayable(f"No task here is called {letter.task}. Deploy the release that has it, then replay.")
    return task


def _replay_unopened(
    app: Any, letters: DeadLetters, letter: DeadLetter, envelope: dict[str, Any], *, even_if_expired: bool
) -> str:
    expires = "expires" in _how_it_was_to_run(letter, even_if_expired=even_if_expired)
    most_bytes = installed(app).message_max_bytes
    try:
        return _instead_of(
            letters, letter, lambda: send_unopened(app, envelope, letter.queue, most_bytes, expires=expires)
        )
    except StillUnfit as error:
        raise NotReplayable(str(error)) from None


def _how_it_was_to_run(letter: DeadLetter, *, even_if_expired: bool) -> dict[str, Any]:
    options = sending_options(letter.payload)
    expires = options.get("expires")
    if expires is None or expires > now():
        return options
    if not even_if_expired:
        raise NotReplayable(
            f"Its sender wanted it to run by {format_timestamp(expires)}, which is over: purge it, or replay it with "
            "--even-if-expired."
        )
    return {name: value for name, value in options.items() if name != "expires"}


def _part_to_send(app: Any, letter: DeadLetter, *, alone: bool, same_id: bool) -> Part | None:
    part = part_of(letter.payload)
    if part is None:
        return None
    if body_can_run(app, part, same_id=same_id):
        return part
    if not alone:
        raise NotReplayable(
            "It is a part of a chord, and the chord's body will not run: the results of the other parts are not kept "
            "any longer, or a correction cannot take this part's place. To run it all the same: --alone"
        )
    return None


def _fits_signature(task: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    if task.typing:
        task.__header__(**kwargs)
    return kwargs


def _instead_of(letters: DeadLetters, letter: DeadLetter, send: Callable[[], str]) -> str:
    with letters.replaying(letter.id) as mine:
        if not mine or letters.get(letter.id) is None:
            raise NotReplayable("Somebody else is replaying it or has removed it. See: mgw dead list")
        letters.forget_losses(letter.id)
        sent = send()
        letters.remove(letter.id, failed_at=letter.failed_at)
    return sent


def _send(
    app: Any,
    letter: DeadLetter,
    args: list[Any],
    kwargs: dict[str, Any],
    task_id: str,
    options: dict[str, Any],
    part: Part | None,
) -> str:
    shown = {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN}
    queue = {"queue": letter.queue} if letter.queue else {}
    place: dict[str, Any] = {}
    if part is not None:
        forget_failures(app, part)
        if not part.by_chain:
            place = {"chord": part.body, "group_id": part.group_id, "group_index": part.place}
    app.send_task(letter.task or "", args, kwargs, task_id=task_id, **queue, **shown, **options, **place)
    return task_id
