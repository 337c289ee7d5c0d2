"""The doctor's look at what is in Redis: messages that wait, that dead workers left, dead letters."""

import json
import time
from collections.abc import Iterator
from typing import Any

from redis import Redis

from ...delivery.dead_letters.reasons import JUNK
from ...delivery.keys import PLAIN_UNACKED
from ...delivery.messages.envelope import Malformed, refuse_expensive
from ...tasks.operation import SENT_AT
from ..queues.other_queues import other_queues, others_in_flight
from ..target import Target
from .finding import Finding, State, judged

_LONG_WAIT_SECS = 900
# A worker that lost its connection needs seconds to be back, more while another server is chosen; its lease must last.
_SHORTEST_TIMEOUT_SECS = 45


def check_timeout(target: Target) -> Iterator[Finding]:
    """The visibility timeout against what it must outlast."""
    timeout_secs = target.delivery.visibility_timeout_secs
    setting = "VISIBILITY_TIMEOUT_SECS" if target.is_ours else "install's visibility_timeout_secs"
    fix = f"Set {setting} to {_SHORTEST_TIMEOUT_SECS} or more, the same everywhere: a worker needs seconds to "
    fix += "come back after an outage, more after a failover, and until then others take its tasks."
    yield judged("visibility timeout", timeout_secs >= _SHORTEST_TIMEOUT_SECS, f"{timeout_secs} s", fix, State.WARNING)


def check_waiting(target: Target) -> Iterator[Finding]:
    """What waits on each queue and for how long, and what dead workers left."""
    with target.broker() as broker:
        for queue in target.queues:
            yield _waiting(target, broker, queue)
        yield _abandoned(target, broker)
        yield from _kombus_own(target, broker)


def check_other_queues(target: Target) -> Iterator[Finding]:
    """Messages that nobody takes, and other apps on the same database."""
    with target.broker() as broker:
        others, shared = list(other_queues(target, broker)), others_in_flight(target, broker)
    lost = [f"{one.name}: {one.waiting}" for one in others if one.is_ours]
    fix = "Their senders misspelt the queue: correct them, then move the messages (redis-cli LMOVE). Or they have "
    fix += "another KEY_PREFIX than these workers: make it the same, then mgw queues move --from the other one."
    yield judged("queues that nobody takes from", not lost, ", ".join(lost) or "none", fix, State.WARNING)
    foreign = sorted({one.name for one in others if not one.is_ours} | shared)
    found = f"queues {', '.join(foreign)}" if foreign else "none seen"
    found += f"; it shares {target.delivery.keys.unacked}" if shared else ""
    fix = "Give each app a database number of its own (redis://host:port/1): apps must not restart each other's tasks."
    yield judged("another app on this database", not foreign, found, fix, State.WARNING)


def check_stores(target: Target) -> Iterator[Finding]:
    """Dead letters."""
    letters = target.delivery.dead_letters
    count, warning = letters.count(), letters.warning()
    fix_letters = f"{target.mgw('dead list')}; then {target.mgw('dead replay')} or {target.mgw('dead purge')}."
    yield judged("dead letters", not count, warning or str(count), fix_letters, State.WARNING)
    names = target.delivery.bounds.names
    for group in letters.gave_way():
        found = f"{group.gave_way} of {group.title} were dropped because a bound was reached"
        bounds = " or ".join(names[3:] if group.reason in JUNK else names[:2])
        fix = f"Raise {bounds}, or fix the cause. To count from zero: {target.mgw('dead purge --all')}"
        yield Finding("dead letters lost", State.WARNING, found, fix)


def _waiting(target: Target, broker: Redis, queue: str) -> Finding:
    ages = [age for key in target.filled(broker, queue) if (age := _age_secs(broker.lindex(key, -1))) is not None]
    oldest = f", the oldest for {max(ages):.0f} s" if ages else ""
    fix = f"Start workers, or more of them: {target.worker_command}. Whether it is held says {target.mgw('queues')}."
    found = f"{target.waiting(broker, queue)}{oldest}"
    return judged(f"waiting: {queue}", max(ages, default=0) < _LONG_WAIT_SECS, found, fix, State.WARNING)


def _age_secs(item: Any) -> float | None:
    """How long a message has waited, if it says when it was sent and has no countdown."""
    try:
        refuse_expensive(item)
        headers = json.loads(item)["headers"]
        return max(0.0, time.time() - float(headers[SENT_AT])) if not headers.get("eta") else None
    except (TypeError, ValueError, KeyError, AttributeError, Malformed):
        return None


def _abandoned(target: Target, broker: Redis) -> Finding:
    seconds, _ = broker.time()
    oldest = seconds - target.delivery.visibility_timeout_secs - 10
    left = broker.zcount(target.delivery.keys.unacked_index, "-inf", oldest)
    fix = f"Start a worker: {target.worker_command}. It puts the messages of dead workers back on their queues."
    return judged("in flight with dead workers", not left, str(left), fix, State.WARNING)


def _kombus_own(target: Target, broker: Redis) -> Iterator[Finding]:
    """Messages in flight under kombu's own name, which a plain Celery app on the same database has put there."""
    if target.delivery.key_prefix:  # no app on kombu's own keys has these queues
        return
    if target.delivery.keys.unacked != PLAIN_UNACKED and (left := broker.hlen(PLAIN_UNACKED)):
        fix = "Give each app another database number (redis://host:port/1), or see that no queue is in both apps."
        found = f"{left} messages in flight of an app on kombu's own transport"
        yield Finding("a plain Celery app on this database", State.WARNING, found, fix)
