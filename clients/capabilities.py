"""What a service can do beyond the published wire, as its `GET /health` says: capabilities, each with its facts.

`/health` is open and may be a proxy's: what it says is bounded, and never decides where a key or content goes.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakSet

from .errors import IntegrationError, TransientError
from .failures import Kind, kind_of

MOST_BYTES = 64 * 2**10
KEPT_SECS = 600.0
FAILED_KEPT_SECS = 60.0
_UNKNOWN_ROUTE = frozenset({404, 405, 406, 501})
_UNKNOWN_FIELD = frozenset({400, 422})
_NOT_NOW = frozenset({429, 502, 503, 504})  # of /health: it could not be read, and says nothing of the service


@dataclass(frozen=True)
class _Reading:
    """What one response of /health said, or why it could not be read (`lost`).

    `refused` are capabilities that the service did not know, whatever /health says. A reading `is_partial` if what it
    does not name may be there all the same.
    """

    read_at: float
    closing: str
    known: dict[str, Any] = field(default_factory=dict[str, Any])
    refused: set[str] = field(default_factory=set[str])
    is_partial: bool = False
    failed: bool = False
    lost: TransientError | None = None

    def is_fresh(self, closing: str) -> bool:
        """Whether it still counts: it is young enough, and the breaker has not closed since."""
        kept_secs = FAILED_KEPT_SECS if self.failed else KEPT_SECS
        return self.closing == closing and time.monotonic() - self.read_at < kept_secs


class Capabilities:
    """The capabilities of one service; thread-safe, and usable in a forked child.

    They are read when first asked for, again after ten minutes, and after the service's breaker closed. One thread
    reads; the others wait for it.
    """

    def __init__(self, read: Callable[[float], bytes], closing: Callable[[], str]) -> None:
        """`read` returns the body of /health within some seconds; `closing` changes when the breaker closes."""
        self._read, self._closing = read, closing
        self._reading: _Reading | None = None
        self._lock = threading.Lock()
        _ALL.add(self)

    def facts(self, name: str, timeout_secs: float) -> Any:
        """Return what the service says of a capability (a JSON object or list), None if it has it not."""
        return self._fresh(timeout_secs).known.get(name)

    def certain_facts(self, name: str, timeout_secs: float) -> Any:
        """Return the same where a wrong guess costs money.

        Raises: a TransientError if /health could not be read (no response, 429, 502, 503, 504); nothing was sent then.
        """
        reading = self._fresh(timeout_secs, even_if_lost=True)
        if reading.lost is not None:
            raise reading.lost
        return reading.known.get(name)

    def may_have(self, name: str, timeout_secs: float) -> bool:
        """Return False if it is certain that the service has it not: a reading says so, or the service refused it."""
        reading = self._fresh(timeout_secs)
        return name in reading.known or (reading.is_partial and name not in reading.refused)

    def forget(self, name: str) -> None:
        """Take a capability for absent until it is read again: the service did not know it."""
        with self._lock:
            if self._reading is not None:
                self._reading.known.pop(name, None)
                self._reading.refused.add(name)

    def _fresh(self, timeout_secs: float, *, even_if_lost: bool = False) -> _Reading:
        began = time.monotonic()
        found = self._kept(even_if_lost)
        if found is not None:
            return found
        if not self._lock.acquire(timeout=max(0.0, timeout_secs)):
            return _Reading(began, "", is_partial=True)
        try:
            # Another thread may have read meanwhile; what it did not get, this one would not get either.
            found = self._kept(even_if_lost) or self._read_since(began)
            if found is None:
                left_secs = timeout_secs - (time.monotonic() - began)
                found = self._reading = self._new(left_secs)
            return found
        finally:
            self._lock.release()

    def _kept(self, even_if_lost: bool) -> _Reading | None:
        found = self._reading
        usable = found is not None and found.is_fresh(self._closing()) and not (even_if_lost and found.lost)
        return found if usable else None

    def _read_since(self, moment: float) -> _Reading | None:
        return self._reading if self._reading is not None and self._reading.read_at >= moment else None

    def _new(self, timeout_secs: float) -> _Reading:
        closing = self._closing()
        try:
            body = self._read(timeout_secs)
        except IntegrationError as error:
            lost = error if isinstance(error, TransientError) and _says_nothing(error) else None
            return _Reading(
                time.monotonic(), closing, is_partial=error.status not in _UNKNOWN_ROUTE, failed=True, lost=lost
            )
        known = _parsed(body)
        return _Reading(time.monotonic(), closing, known or {}, is_partial=known is None)

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()  # a thread of the parent may have held it


def says_not_here(error: IntegrationError, *, new_route: bool) -> bool:
    """Return whether the refusal of an extended call means that the service does not know the extension."""
    return error.status in (_UNKNOWN_ROUTE if new_route else _UNKNOWN_FIELD)


def _says_nothing(error: TransientError) -> bool:
    return error.status in _NOT_NOW or kind_of(error) is Kind.OUTAGE


def _parsed(body: bytes) -> dict[str, Any] | None:
    """Return the capabilities that have facts; None if the body is not what a service's /health says."""
    if len(body) > MOST_BYTES:
        return None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    listed = cast("Mapping[str, Any]", said).get("capabilities", {})
    if not isinstance(listed, dict):
        return None
    return {name: facts for name, facts in cast("dict[str, Any]", listed).items() if isinstance(facts, dict | list)}


_ALL: "WeakSet[Capabilities]" = WeakSet()


def _begin_in_child() -> None:
    for one in list(_ALL):
        cast(Any, one)._begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
