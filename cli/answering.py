"""Whether the servers of an app answer at all: asked first, because what a command then does waits for them longer."""

import time
from collections.abc import Iterable

from redis.backoff import NoBackoff
from redis.retry import Retry

from ..delivery.connections.address import restore_credentials, without_credentials
from ..delivery.connections.connection import connect
from .target import Target, target_of
from .terminal.failure import Failure
from .threads import Shared

ANSWER_SECS = 3.0  # with the start of the program, a command takes about four to say that Redis hangs
_WHY = "It hangs, or nothing from its host comes here."
FIX = "Is its address (REDIS_URL) right? Look at its log and its host, and restart it if it hangs."


def answering_target(name: str | None) -> Target:
    """The app that --app names, or ours without it, whose servers answer.

    Raises: Refused and InvalidConfig as `target_of` does; Failure if a server says nothing in time.
    """
    target = target_of(name)
    must_answer((target.delivery.url, target.delivery.state_url))
    return target


def must_answer(urls: Iterable[str]) -> None:
    """Go on if each server says something, be it a refusal.

    Raises: Failure, which names the first one that says nothing within three seconds.
    """
    for address in silent(urls):
        raise Failure(f"{no_answer(address)} {_WHY} {FIX}")


def silent(urls: Iterable[str]) -> list[str]:
    """The addresses, without passwords, of the servers that say nothing within three seconds, not even no."""
    deadline = time.monotonic() + ANSWER_SECS
    pings = {url: Shared(lambda url=url: _ping(url)).start() for url in dict.fromkeys(map(restore_credentials, urls))}
    found: list[str] = []
    for url, ping in pings.items():
        try:
            ping.exception(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            found.append(without_credentials(url))
    return found


def no_answer(address: str) -> str:
    """What to say of a server that said nothing."""
    return f"Redis at {address} has not answered within {ANSWER_SECS:g} seconds."


def _ping(url: str) -> object:
    longer, once = 2 * ANSWER_SECS, Retry(NoBackoff(), 0)
    with connect(url, timeout_secs=longer, connect_timeout_secs=longer, retry=once) as redis:
        return redis.ping()
