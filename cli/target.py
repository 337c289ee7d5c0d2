"""The Celery app that a command works on: this package's own, or the one that --app names."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click
from celery import Celery
from celery.app.utils import find_app
from redis import Redis

from ..delivery import Hold, Installed, installed
from ..delivery.connections.connection import connect
from ..delivery.queues import lists_of, queues_of
from ..delivery.settings import installed_or_none
from .terminal.failure import Refused

_TIMEOUT_SECS = 5
_OURS = "memory_graph_workers.tasks.app"
_HOW = "Name the app as you do for `celery -A`, like --app shop:app."

app_option = click.option(
    "--app", "app_name", metavar="MODULE:APP", help="Your own Celery app with delivery installed, like shop:app."
)


@dataclass(frozen=True)
class Target:
    """An app with delivery installed, and what its queues hold."""

    app: "Celery[Any]"
    delivery: Installed
    name: str
    is_ours: bool

    def mgw(self, command: str) -> str:
        """A command line to show to the user, like `mgw dead --app shop:app list`."""
        first, _, rest = command.partition(" ")
        return f"mgw {command}" if self.is_ours else f"mgw {first} --app {self.name} {rest}".rstrip()

    @property
    def worker_command(self) -> str:
        """The command line that starts a worker."""
        return f"celery -A {self.name} worker --pool prefork"

    def broker(self) -> Redis:
        """A connection to the broker."""
        return connect(self.delivery.url, timeout_secs=_TIMEOUT_SECS, connect_timeout_secs=_TIMEOUT_SECS)

    @cached_property
    def queues(self) -> list[str]:
        """The queues that the app declares, that its tasks go to, and that `install` was told of."""
        return queues_of(self.app, self.delivery.needs)

    def lists(self, queue: str) -> list[str]:
        """The Redis lists that make up a queue: one per priority."""
        return [f"{self.delivery.key_prefix}{name}" for name in lists_of(self.app, queue)]

    def waiting(self, broker: Redis, queue: str) -> int:
        """The number of messages that wait on a queue, of every priority."""
        return sum(broker.llen(key) for key in self.filled(broker, queue))

    def filled(self, broker: Redis, queue: str) -> list[str]:
        """The lists of a queue that have messages; a key that holds data of another type is none of them."""
        return [key for key in self.lists(queue) if broker.type(key) == b"list"]

    def hold(self, queue: str) -> Hold | None:
        """How a queue is held, or None if it is not."""
        return self.delivery.holds.of_queue(queue)


def target_of(name: str | None) -> Target:
    """The app that --app names, or ours without it.

    Raises: Refused if there is no such app or delivery is not installed on it; InvalidConfig if our settings are wrong.
    """
    return _our_target() if name is None else _foreign_target(name)


def _our_target() -> Target:
    from ..tasks.app import app, mistakes

    if mistakes:
        raise mistakes
    return Target(app, installed(app), _OURS, is_ours=True)


def _foreign_target(name: str) -> Target:
    app = _imported(name)
    found = installed_or_none(app)
    if found is None:
        raise Refused(
            f"{name} has no delivery installed. Call install(app, url) from memory_graph_workers.delivery where the "
            "app is made."
        )
    return Target(app, found, name, is_ours=False)


def _imported(name: str) -> "Celery[Any]":
    """The app of this name, which `celery -A` would find, with the modules of its tasks imported."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        app: Any = find_app(name)
        if isinstance(app, Celery):
            app.loader.import_default_modules()
    except Exception as error:
        raise Refused(_why_not_found(name, error)) from error
    if not isinstance(app, Celery):
        raise Refused(f"{name} is not a Celery app but a {type(app).__name__}. {_HOW}")
    return app


def _why_not_found(name: str, error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    missing = str(error.name) if isinstance(error, ModuleNotFoundError) else ""
    module, _, attribute = name.partition(":")
    if isinstance(error, AttributeError) or ":" in missing:  # Celery tries what is not an attribute as a module
        return f"There is no Celery app {name}: the module {module} has no {attribute or 'app'}. {_HOW}"
    if missing and f"{name.replace(':', '.')}.".startswith(f"{missing}."):
        return f"There is no module {missing} here. Run mgw in the directory that holds it, or add that to PYTHONPATH."
    return f"Cannot import {name} ({text}). Run mgw with the environment and the packages of its workers."
