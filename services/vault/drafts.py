"""Entries on their way in: checked and sealed outside the transaction, so that no lock waits for encryption."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

from ...schemas.base import Request, ValidationError
from ...schemas.canonical import canonical_json
from ...schemas.fields import MAX_ID_LENGTH
from ...schemas.refusals import Refusal
from ...schemas.vault import ArchiveEntry, ArchiveFailure, PlacedEntry, PlacedEntrySchema
from .keys import KeyRing
from .seal import Ids, Sealed, SealOptions, seal

# Separates the details from the data; canonical JSON contains no line break.
SEPARATOR = b"\n"
_SCHEMA = cast(Request[PlacedEntry], PlacedEntrySchema())
_MAX_REASON = 300
# {"metadata":…,"tags":…} instead of […,…], which is what the size of an archive counts.
_MORE_BYTES = len('{"metadata":,"tags":}') - len("[,]")
# Of small entries, most of the work is Python's, which threads cannot share; only zstd and AES work beside each other.
_PARALLEL_BYTES = 10_000


class Refused(Exception):
    """An archive that cannot be stored: an HTTP status, a short text, and the refusal if it is a known one."""

    def __init__(self, status: int, reason: str, refusal: Refusal | None = None) -> None:
        super().__init__(status, reason, refusal)
        self.status, self.reason, self.refusal = status, reason, refusal


@dataclass(frozen=True)
class ArchiveOptions:
    """How entries are stored: their maximum size, the form that the headers ask for, the keys to seal with."""

    max_bytes: int
    seal_options: SealOptions
    ring: KeyRing


@dataclass(frozen=True)
class Content:
    """An entry that was checked: what is to be sealed, and its data alone."""

    entry: ArchiveEntry
    data: bytes
    sealable: bytes
    policy_id: str | None = None


@dataclass(frozen=True)
class Draft:
    """A sealed entry, ready to be stored."""

    entry: ArchiveEntry
    data: bytes
    sealed: Sealed
    policy_id: str | None = None


def make_draft(entry: ArchiveEntry, options: ArchiveOptions) -> Draft:
    """Seal an entry, ready to be stored.

    Raises: Refused if it is too large.
    """
    return _seal(options, _content(entry, options.max_bytes))


def make_drafts(entries: Sequence[Any], seed: str, options: ArchiveOptions) -> list[Draft | ArchiveFailure]:
    """Check and seal every entry of a batch; a mistake in one does not affect the others."""
    checked = [_checked(entry, f"{seed}:{place}", options.max_bytes) for place, entry in enumerate(entries)]
    contents = [one for one in checked if isinstance(one, Content)]
    drafts = iter(_seal_all(contents, options))
    return [next(drafts) if isinstance(one, Content) else one for one in checked]


def _seal_all(contents: Sequence[Content], options: ArchiveOptions) -> list[Draft]:
    if len(contents) < 2 or sum(len(one.sealable) for one in contents) < _PARALLEL_BYTES * len(contents):
        return _seal_some(options, contents)
    some = -(-len(contents) // (2 * _most_threads()))  # two parts a thread: an uneven one keeps no other waiting
    parts = [contents[start : start + some] for start in range(0, len(contents), some)]
    return [draft for part in _sealing_threads().map(partial(_seal_some, options), parts) for draft in part]


def _seal_some(options: ArchiveOptions, contents: Sequence[Content]) -> list[Draft]:
    return [_seal(options, one) for one in contents]


@cache
def _sealing_threads() -> ThreadPoolExecutor:
    """The threads that seal, for all requests of this process together."""
    return ThreadPoolExecutor(_most_threads(), "sealing")


@cache
def _most_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seal(options: ArchiveOptions, content: Content) -> Draft:
    ids = Ids(content.entry.id, content.entry.session_id)
    sealed = seal(content.sealable, ids, options.seal_options, options.ring)
    return Draft(content.entry, content.data, sealed, content.policy_id)


def _content(entry: ArchiveEntry, max_bytes: int, policy_id: str | None = None) -> Content:
    data, details = canonical_json(entry.data), canonical_json({"metadata": entry.metadata, "tags": entry.tags})
    if len(data) + len(details) - _MORE_BYTES > max_bytes:
        raise Refused(413, f"too large: an archive may have {max_bytes} bytes")
    return Content(entry, data, details + SEPARATOR + data, policy_id)


def _checked(payload: Any, seed: str, max_bytes: int) -> Content | ArchiveFailure:
    try:
        entry = _SCHEMA.receive(payload, seed)
        return _content(entry, max_bytes, entry.policy_id)
    except ValidationError as error:
        reason = f"invalid: {error.messages}"[:_MAX_REASON]
    except Refused as error:
        reason = error.reason
    return ArchiveFailure(_session_id_of(payload), reason.encode(errors="replace").decode())


def _session_id_of(payload: Any) -> str:
    named = payload.get("session_id") if isinstance(payload, Mapping) else None
    return named[:MAX_ID_LENGTH].encode(errors="replace").decode() if isinstance(named, str) else ""
