"""What `mgw queues move` moves: each kind of things, how many there are, and how they go."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ...delivery.moving import Move, side_of
from ...delivery.queues import lists_of
from ..target import Target

_WORKERS = "a worker still runs under the old names: stop it, and move again half a minute later"


@dataclass(frozen=True)
class Kind:
    """One row of the table: `count` says how many are at the source, `move` moves some at a time."""

    name: str
    count: Callable[[], int]
    move: Callable[[], Iterator[int]]
    why_left: str = "they came meanwhile: move again"


def move_of(target: Target, old_prefix: str, old_url: str | None) -> Move:
    """The move to where the app is now.

    Raises: ValueError, which says what is wrong with the old address or prefix.
    """
    found = target.delivery
    return Move(side_of(found, old_prefix, old_url or ""), side_of(found, found.key_prefix))


def kinds(target: Target, move: Move) -> Iterator[Kind]:
    """Everything that can be moved, in this order: messages come last, when what they need is there."""
    if target.is_ours:
        yield from _of_our_app(move)
    yield _holds(target, move)
    yield Kind("dead letters", move.source.letters.count, move.letters)
    yield _in_flight(target, move)
    for queue in target.queues:
        yield _queue(target, move, queue)


def _of_our_app(move: Move) -> Iterator[Kind]:
    from ...tasks import moving as ours

    beat = "a beat still runs under the old names: stop it, and move again half a minute later"
    yield _unless_workers(move, "sweeps", lambda: ours.count_sweeps(move.source), lambda: ours.sweeps(move))
    yield _unless_workers(move, "breakers", lambda: ours.count_breakers(move.source), lambda: ours.breakers(move))
    yield Kind(
        "beat's schedule",
        lambda: ours.count_schedule(move.source),
        lambda: iter(()) if ours.beat_runs(move.source) else ours.schedule(move),
        beat,
    )


def _holds(target: Target, move: Move) -> Kind:
    keys = move.source.unprefixed_keys
    services = sorted({service for services in target.delivery.needs.values() for service in services})
    names = [keys.by_hand, keys.full, *(name(service) for service in services for name in (keys.hold, keys.asked))]
    there = [f"{move.source.key_prefix}{name}" for name in names]

    def move_all() -> Iterator[int]:
        move.decisions()
        yield from (int(move.record(name)) for name in names)

    return _unless_workers(move, "holds", lambda: move.source.state.exists(*there), move_all)


def _unless_workers(move: Move, name: str, count: Callable[[], int], move_all: Callable[[], Iterator[int]]) -> Kind:
    return Kind(name, count, lambda: iter(()) if move.source.workers() else move_all(), _WORKERS)


def _in_flight(target: Target, move: Move) -> Kind:
    timeout_secs = target.delivery.visibility_timeout_secs
    why = f"a worker had them within {timeout_secs} s: they end there, or move again after that"
    keys, broker = move.source.keys, move.source.broker
    return Kind(
        "in flight and countdowns",
        lambda: broker.zcard(keys.unacked_index) + max(0, broker.llen(keys.moving(keys.unacked)) - 1) // 3,
        lambda: move.in_flight(timeout_secs),
        why,
    )


def _queue(target: Target, move: Move, queue: str) -> Kind:
    names, source = lists_of(target.app, queue), move.source

    def count() -> int:
        waiting = sum(source.broker.llen(f"{source.key_prefix}{name}") for name in names)
        return waiting + sum(max(0, source.broker.llen(source.keys.moving(name)) - 1) for name in names)

    return Kind(f"queue {queue}", count, lambda: (some for name in names for some in move.messages(name)))


def is_same(move: Move) -> bool:
    """Whether both sides have the same keys: what came would be deleted there."""
    if move.source.key_prefix != move.target.key_prefix:
        return False
    pairs = ((move.source.broker, move.target.broker), (move.source.state, move.target.state))
    return any(_has(source, target, move.target.keys.moved) for source, target in pairs)


def _has(source: Any, target: Any, moved: str) -> bool:
    """Whether one server finds what was just noted at another one."""
    name, (seconds, _) = str(uuid4()), target.time()
    target.zadd(moved, {name: seconds})
    try:
        return source.zscore(moved, name) is not None
    finally:
        target.zrem(moved, name)
