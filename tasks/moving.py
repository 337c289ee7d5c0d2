"""What this app keeps in Redis beside its queues, for a move to other names: sweeps, breakers, beat's schedule."""

from collections.abc import Iterator
from typing import Any

from ..clients.breaker.redis_storage import names_of
from ..delivery import installed
from ..delivery.moving import Move, Side
from .app import app
from .archival.keys import INDEX, KEPT, PAUSED, SCRATCH, key
from .base import broker

SERVICES = sorted({service for services in installed(app).needs.values() for service in services})
_BEAT = app.conf.redbeat_key_prefix
_STATICS, _SCHEDULE, _LOCK = (f"{_BEAT}:{name}" for name in ("statics", "schedule", "lock"))  # as redbeat names them


def sweeps(move: Move) -> Iterator[int]:
    """Move the sweeps, and whether they are paused; the lock lapses. No worker may run at the source."""
    for sweep_id in _sweep_ids(move.source):
        for name in _names_of_sweep(move.source, sweep_id):
            move.record(name)
        yield 1
    move.record(_bare(INDEX))  # last: whoever repeats this finds the sweeps by it
    move.record(_bare(PAUSED))


def count_sweeps(side: Side) -> int:
    """How many sweeps are known at a side; a pause without any counts as one."""
    return len(_sweep_ids(side)) or side.state.exists(_at(side, PAUSED))


def breakers(move: Move) -> Iterator[int]:
    """Move the states of the services' breakers. No worker may run at the source."""
    for service in SERVICES:
        yield sum([move.record(name) for name in names_of(service)]) and 1


def count_breakers(side: Side) -> int:
    """How many breakers have a state at a side."""
    return sum(side.state.exists(*(f"{side.key_prefix}{name}" for name in names_of(one))) > 0 for one in SERVICES)


def schedule(move: Move) -> Iterator[int]:
    """Move when each of beat's entries ran last, so that nothing is sent before its time. No beat may run there."""
    for name in _entries(move.source):
        yield int(move.record(_bare(f"{_BEAT}{name}")))
    move.record(_bare(_STATICS))
    move.source.state.unlink(_at(move.source, _SCHEDULE))  # it names keys; beat makes it again from its settings


def count_schedule(side: Side) -> int:
    """How many of beat's entries there are at a side."""
    return len(_entries(side))


def beat_runs(side: Side) -> bool:
    """Whether a beat has the lock at a side, or had it half a minute ago."""
    return bool(side.state.exists(_at(side, _LOCK)))


def _entries(side: Side) -> list[str]:
    return sorted(name.decode() for name in side.state.smembers(_at(side, _STATICS)))


def _sweep_ids(side: Side) -> list[str]:
    return [sweep_id.decode() for sweep_id in side.state.zrange(_at(side, INDEX), 0, -1)]


def _names_of_sweep(side: Side, sweep_id: str) -> Iterator[str]:
    batches: Any = side.state.hkeys(_at(side, key(sweep_id, "batches")))
    for batch_id in batches:  # before the batches themselves, by which they are found
        yield from (_bare(key(sweep_id, part, batch_id.decode())) for part in ("stored", "marked"))
    yield from (_bare(key(sweep_id, part)) for part in (*SCRATCH, *KEPT))


def _at(side: Side, name: str) -> str:
    """The key at a side that has this name here."""
    return f"{side.key_prefix}{_bare(name)}"


def _bare(name: str) -> str:
    return name.removeprefix(broker.prefix)
