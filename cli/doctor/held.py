"""The doctor's look at held queues: those that their services or dead letters hold, and what people decided."""

from collections.abc import Iterator
from datetime import timedelta
from shlex import quote

from ...delivery import ByHand, Hold
from ...delivery.held_queues.by_hand import BROKEN
from ...delivery.held_queues.holds import DEAD_LETTERS
from ...schemas.fields import now
from ..target import Target
from .finding import Finding, State, judged

_LONG = timedelta(days=1)


def check_held(target: Target) -> Iterator[Finding]:
    """Queues that are held, and those about which a person has decided, also of queues that the app has no more."""
    holds = target.delivery.holds
    decided = holds.by_hand()
    for queue in dict.fromkeys((*target.queues, *decided)):
        if queue in decided:
            yield _by_hand(target, decided[queue])
        elif hold := holds.by_itself(queue):
            yield _by_itself(target, queue, hold)


def _by_itself(target: Target, queue: str, hold: Hold) -> Finding:
    found = f"for {hold.service} since {hold.since:%Y-%m-%d %H:%M:%S} UTC: {hold.why}"
    trial = target.mgw(f"queues try {hold.service}")
    fix = f"Bring the service back; the queue is then released by itself. For a trial at once: {trial}"
    if hold.service == DEAD_LETTERS:
        fix = f"{target.mgw('dead list')}; then {target.mgw('dead replay')} or {target.mgw('dead purge')}."
    return Finding(f"held: {queue}", State.WARNING, found, fix)


def _by_hand(target: Target, one: ByHand) -> Finding:
    """A person may have a reason to hold a queue for hours; after a day, it was more likely forgotten."""
    check = f"held: {one.queue}" if one.is_held else f"kept free: {one.queue}"
    found = f"by {one.by} since {one.since:%Y-%m-%d %H:%M:%S} UTC: {one.reason}"
    if one.queue not in target.queues:
        found += "; this app has no such queue"
    undo = target.mgw(f"queues {'release' if one.is_held else 'auto'} {quote(one.queue)}")
    why = "If it need not wait any longer" if one.is_held else "Nothing protects its services. To leave it to them"
    is_fine = now() - one.since < _LONG and one.queue in target.queues and one.reason != BROKEN
    return judged(check, is_fine, found, f"{why}: {undo}", State.WARNING)
