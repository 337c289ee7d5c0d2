"""A part of a chord that became a dead letter: whether the body can still run, and how a replay lets it.

Celery's Redis result store counts the parts of a chord that have ended in a sorted set, under the group's id. A part
that fails is counted, too, as failed: the body then fails as soon as all have ended, and whoever waits for it is told.
A replay takes all such entries out before it sends the part again. When all of these parts have succeeded, the header
is whole, and the body runs. Were the other failures left in, parts that end at the same time as another one is replayed
could both find the header whole, and send the body twice. The set is kept as long as results are; after that only the
part can run, which a replay does not do unasked.
"""

from typing import Any, NamedTuple

from celery import states
from celery.backends.redis import RedisBackend

_SCANNED = 1000  # parts in one step


class Part(NamedTuple):
    """Where a task belongs in a chord: its group, its place there, and the chord's body."""

    group_id: str
    place: float | int | None
    body: dict[str, Any]
    by_chain: bool = False


def part_of(payload: dict[str, Any] | None) -> Part | None:
    """The part of a chord that a letter's task is, by itself or at the end of its chain, or None."""
    embed = (payload or {}).get("embed") or {}
    options = (payload or {}).get("options") or {}
    if embed.get("chord"):
        return _part(options, embed["chord"], "group")
    ends = [link.get("options") or {} for link in embed.get("chain") or [] if isinstance(link, dict)]
    found = next((part for end in ends if (part := _part(end, end.get("chord"), "group_id"))), None)
    return found._replace(by_chain=True) if found else None


def _part(options: dict[str, Any], body: Any, group: str) -> Part | None:
    group_id = options.get(group)
    return Part(group_id, options.get("group_index"), body) if group_id and isinstance(body, dict) else None


def body_can_run(app: Any, part: Part, *, same_id: bool = True) -> bool:
    """Whether the parts of the chord are still counted, so that its body runs when its header is whole.

    A part with another id can take the place only where Celery joins the results by their places, not by their ids.
    """
    found = _store(app)
    if found is None:
        return False
    client, backend = found
    counted = client.exists(backend.get_key_for_group(part.group_id, ".s"))
    ordered = client.type(backend.get_key_for_group(part.group_id, ".j")) in (b"zset", b"none")
    by_place = not part.by_chain and not client.exists(backend.get_key_for_group(part.group_id))
    return bool(counted and ordered and (same_id or by_place))


def forget_failures(app: Any, part: Part) -> None:
    """Take the parts that failed out of the chord's count; whoever is killed afterwards replays this one again."""
    found = _store(app)
    if found is None:
        return
    client, backend = found
    key = backend.get_key_for_group(part.group_id, ".j")
    for state in states.PROPAGATE_STATES:
        for item, _ in client.zscan_iter(key, match=f"*{state}*", count=_SCANNED):
            if backend.decode(item)[2] == state:
                client.zrem(key, item)


def _store(app: Any) -> tuple[Any, Any] | None:
    backend = app.backend
    return (backend.client, backend) if isinstance(backend, RedisBackend) else None
