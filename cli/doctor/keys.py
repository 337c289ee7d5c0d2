"""The doctor's look at keys in Redis: of another type than they should be, and counters that hold no number."""

from collections.abc import Iterable, Iterator
from typing import Any

from ...delivery.counts import is_number
from ...tasks.usage_counts import KEY as USAGE
from ..target import Target
from .finding import Finding, judged


def check_keys(target: Target) -> Iterator[Finding]:
    """Keys of another type, each of which holds up what it is for, and counters that hold no number."""
    state = target.delivery.redis
    with target.broker() as broker:
        wrong = [*_wrong(broker, _types_of_broker(target)), *_wrong(state, _types_of_state(target))]
        uncounted = [*_no_numbers(broker, map(target.delivery.keys.permits, target.queues)), *_uncounted(target, state)]
    fix = "Look at each (redis-cli --scan, TYPE), then rename or delete it: until then what it is for stands still."
    yield judged("types of keys", not wrong, "; ".join(wrong) or "as they should be", fix)
    fix = (
        "Look at each (redis-cli GET, HGET), then delete it (DEL, HDEL): it is counted again, some from zero. A queue "
    )
    fix += "whose permits (hold:queue) are no number waits until then."
    yield judged("counters", not uncounted, "; ".join(uncounted) or "all are numbers", fix)


def _types_of_broker(target: Target) -> dict[str, str]:
    keys = target.delivery.keys
    lists = {key: "list" for queue in target.queues for key in target.lists(queue)}
    permits = {keys.permits(queue): "string" for queue in target.queues}
    return {**lists, **permits, keys.unacked: "hash", keys.unacked_index: "zset"}


def _types_of_state(target: Target) -> dict[str, str]:
    keys = target.delivery.keys
    decided = {keys.by_hand: "hash", keys.full: "hash"}
    return {**decided, **keys.failures.types, **keys.quarantine.types, **({USAGE: "hash"} if target.is_ours else {})}


def _uncounted(target: Target, state: Any) -> Iterator[str]:
    pots = (target.delivery.keys.failures, target.delivery.keys.quarantine)
    yield from _no_numbers(state, (pot.size_bytes for pot in pots))
    for key in (*(pot.gave_way for pot in pots), *([USAGE] if target.is_ours else [])):
        counts: dict[bytes, bytes] = state.hgetall(key) if state.type(key) == b"hash" else {}
        yield from (f"{key} has no number for {_text(name)}" for name, raw in counts.items() if not is_number(raw))


def _wrong(redis: Any, kinds: dict[str, str]) -> Iterator[str]:
    for key, kind in kinds.items():
        found = redis.type(key).decode()
        if found not in (kind, "none"):
            yield f"{key} is a {found}, not a {kind}"


def _no_numbers(redis: Any, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        if redis.type(key) == b"string" and not is_number(redis.get(key) or b"0"):
            yield f"{key} holds no number"


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
