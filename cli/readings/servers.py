"""The servers of an app and what is read of them, all at the same time and within a few seconds."""

import time
from collections.abc import Collection, Sequence

from ..target import Target
from .broker import FleetPart, QueuesPart
from .samples import Fact
from .server import Part, Server
from .state import BeatPart, ByHandPart, LettersPart, RedisPart, ServicesPart, SweepsPart, UsagePart

BROKER, STATE = "broker", "state"


def servers_of(target: Target, tasks: Collection[str]) -> list[Server]:
    """The app's broker, and the Redis with its state, which may be the same; `tasks` are the names that it knows."""
    return [
        Server(BROKER, target.delivery.url, [RedisPart(BROKER), FleetPart(target), QueuesPart(target)]),
        Server(STATE, target.delivery.state_url, [RedisPart(STATE), *_of_state(target, tasks)]),
    ]


def known_tasks(target: Target) -> set[str]:
    """The names of the app's own tasks: any other name in Redis may be anybody's."""
    target.app.loader.import_default_modules()
    return {name for name in target.app.tasks if not name.startswith("celery.")}


def read(servers: Sequence[Server], within_secs: float) -> dict[str, list[Fact]]:
    """What each server says, by its name; that it is away, if it says nothing in this time."""
    deadline = time.monotonic() + within_secs
    running = [(server, server.reading.start()) for server in servers]
    return {server.name: server.facts(result, deadline) for server, result in running}


def _of_state(target: Target, tasks: Collection[str]) -> list[Part]:
    keys, bounds = target.delivery.keys, target.delivery.bounds
    parts: list[Part] = [
        ServicesPart(target),
        ByHandPart(target),
        LettersPart("failures", keys.failures, bounds, tasks),
        LettersPart("quarantine", keys.quarantine, bounds.of_quarantine, tasks),
    ]
    return [*parts, SweepsPart(), BeatPart(), UsagePart()] if target.is_ours else parts
