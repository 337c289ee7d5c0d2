"""Queues in the broker's database that are not the app's: no worker of the app takes from them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...delivery.connections.replies import NotNow
from ...delivery.messages.envelope import Malformed, read_envelope
from ..target import Target

_SCANNED = 5000  # keys in one step
_SAMPLED = 500  # in-flight messages
_REPLIES = ".pidbox"  # the end of the name of Celery's own lists: responses to remote control
_PRIORITY = re.compile(r"\x06\x16\d$")  # the end of a list's name with messages of another priority


@dataclass(frozen=True)
class OtherQueue:
    """A list of messages that no queue of the app has; `is_ours` if its oldest message is for a task of the app."""

    name: str
    waiting: int
    is_ours: bool


def other_queues(target: Target, broker: Any) -> Iterator[OtherQueue]:
    """The queues of messages that the app does not have, by name: under its key prefix, and its own under another one.

    What is under the prefix of another fleet, of which workers run, is that fleet's.
    """
    target.app.loader.import_default_modules()  # its tasks are known then
    prefix = target.delivery.key_prefix
    known = {key for queue in target.queues for key in target.lists(queue)}
    ends = tuple(key.removeprefix(prefix) for key in known)
    found = {
        key
        for raw in broker.scan_iter(count=_SCANNED, _type="list")
        if (key := _text(raw)) not in known and (key.startswith(prefix) or key.endswith(ends))
    }
    prefixes = {prefix, *_prefixes(target, broker)}
    for key in sorted(key for key in found if not key.endswith(_REPLIES)):
        fleets = [one for one in prefixes if key.startswith(one)]
        if max(fleets, key=len, default=prefix) != prefix:
            continue
        with suppress(NotNow):  # another fleet's, which this user may not read
            task = _task(broker.lindex(key, -1))
            if task is not None:
                yield OtherQueue(_PRIORITY.sub("", key), broker.llen(key), task in target.app.tasks)


def _prefixes(target: Target, broker: Any) -> Iterator[str]:
    """What stands before the keys of the fleets of this app, as far as workers of theirs run."""
    name = target.delivery.unprefixed_keys.workers
    for raw in broker.scan_iter(match=f"*{_escaped(name)}", count=_SCANNED, _type="zset"):
        yield _text(raw).removesuffix(name)


def _escaped(text: str) -> str:
    """The text as a pattern of Redis that means nothing else."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)


def others_in_flight(target: Target, broker: Any) -> set[str]:
    """The queues, not the app's, whose messages are among the app's in-flight ones."""
    _, some = broker.hscan(target.delivery.keys.unacked, count=_SAMPLED)
    queues = {queue for noted in some.values() if (queue := _queue(noted))}
    return {queue for queue in queues if not queue.endswith(_REPLIES)} - set(target.queues)


def _task(item: bytes | None) -> str | None:
    """The task of a message; empty if it names none, None if this is no message."""
    try:
        return str((read_envelope(item or b"").get("headers") or {}).get("task") or "")
    except Malformed:
        return None


def _queue(noted: bytes) -> str | None:
    """Where an in-flight message came from: the end of its note, which is not read whole."""
    found = re.search(rb'"([^"]+)"\]$', noted[-300:])
    return _text(found[1]) if found else None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
