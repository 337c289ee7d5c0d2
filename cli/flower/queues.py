"""Flower's look at the broker, at every address that workers know; Flower's own knows those of single servers only."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from flower.views import BaseHandler  # pyright: ignore[reportMissingTypeStubs]

from ..target import target_of


class Queues:
    """What Flower asks of a broker."""

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return how many messages wait on each queue.

        Raises: redis.RedisError, which Flower logs.
        """
        return await asyncio.get_running_loop().run_in_executor(None, _waiting, list(names))


def _waiting(names: list[str]) -> list[dict[str, Any]]:
    target = target_of(None)
    with target.broker() as broker:
        return [{"name": name, "messages": target.waiting(broker, name)} for name in names]


def count_for_flower() -> None:
    """Let Flower's pages about the broker ask us."""
    cast(Any, BaseHandler).get_broker = _broker


def _broker(handler: BaseHandler) -> Queues:
    return Queues()
