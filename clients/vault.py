"""Data-Vault: archives and the retention policies they are kept under."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from orjson import Fragment

from ..schemas.vault import (
    ArchiveEntry,
    ArchiveEntrySchema,
    ArchiveFailure,
    ArchiveResponse,
    ArchiveResponseSchema,
    BatchArchiveResponse,
    BatchArchiveResponseSchema,
    PolicyAssignmentSchema,
    PolicyCreatedSchema,
    PolicyId,
    RetentionPolicy,
    RetentionPolicySchema,
    RetrievedArchiveSchema,
)
from .base import Call, ServiceClient, encode
from .config import IDLE_CONNECTIONS, RetryPolicy, VaultConfig

if TYPE_CHECKING:
    from .breaker import Breaker

BRACKETS, COMMA = 2, 1
ENTRY = ArchiveEntrySchema()
RECEIPT = ArchiveResponseSchema()
BATCH = BatchArchiveResponseSchema()
ARCHIVE = RetrievedArchiveSchema()
POLICY = RetentionPolicySchema()
POLICY_CREATED = PolicyCreatedSchema()
ASSIGNMENT = PolicyAssignmentSchema()

_REASON_WORDS = frozenset(
    (
        "a already and another archive archived as bytes conflict content data database days different duplicate"
        " entry exists fails failed field for forbidden id in invalid is it key large length limit maximum missing"
        " more must no not of or other over payload policy refused required retention retention_days same session"
        " session_id size stored than that the this timeout to too unavailable unknown valid value was with"
    ).split()
)


class VaultClient(ServiceClient):
    """Calls of Data-Vault, as in docs/contract/wire.md, Data-Vault."""

    service: ClassVar[str] = "vault"
    key_variable: ClassVar[str] = "VAULT_API_KEY"

    def __init__(
        self,
        config: VaultConfig,
        *,
        retry_policy: RetryPolicy | None = None,
        breaker: "Breaker | None" = None,
        idle_connections: int = IDLE_CONNECTIONS,
    ) -> None:
        super().__init__(config, retry_policy or RetryPolicy(initial_delay_secs=0.2), breaker, idle_connections)
        self.config = config

    def health_check(self) -> bool:
        """Ask whether the vault is up (GET /health, without a key, at most 5 s).

        Raises: a TransientError where it is not.
        """
        return self._is_healthy()

    def archive_session(self, entry: ArchiveEntry, *, idempotency_key: str | None = None) -> ArchiveResponse:
        """Store one session in the vault (POST /api/v1/archive).

        A second run under the same key, or with the same archive id and content, stores nothing more.
        Raises: Refused with status 409 where the id holds other content, 413 where it is too large.
        """
        call = self._archive_call("archive_session", "/api/v1/archive", ENTRY.write(entry), idempotency_key)
        return self._call(call, RECEIPT)

    def batch_archive(
        self, entries: Sequence[ArchiveEntry], *, idempotency_key: str | None = None
    ) -> BatchArchiveResponse:
        """Store many sessions (POST /api/v1/archive/batch); the answers are merged.

        A request holds `batch_size` entries and `batch_max_bytes` at most; an entry that is larger goes alone.
        `archived` of the result lists archive ids; an entry that the vault names nowhere has failed. Each
        request goes under `<key>:<SHA-256 of its body>`, so a repeat with fewer entries is a new request.
        """
        key = idempotency_key or str(uuid4())
        parts = [self._archive_part(some, body, key) for some, body in self._parts(entries)]
        archived = [archive_id for part in parts for archive_id in part.archived]
        failed = [failure for part in parts for failure in part.failed]
        return BatchArchiveResponse(archived, total=len(entries), success_count=len(archived), failed=failed)

    def retrieve_session(self, archive_id: str) -> ArchiveEntry:
        """Read an archive back (GET /api/v1/archive/{id}).

        Raises: Refused with status 404 where there is none.
        """
        call = Call("retrieve_session", "GET", "/api/v1/archive/{archive_id}", ids={"archive_id": archive_id})
        return self._call(call, ARCHIVE)

    def delete_archive(self, archive_id: str) -> None:
        """Delete an archive (DELETE /api/v1/archive/{id}); one that is gone already is deleted.

        Raises: Refused with status 409 while its retention lasts.
        """
        self._delete(Call("delete_archive", "DELETE", "/api/v1/archive/{archive_id}", ids={"archive_id": archive_id}))

    def create_retention_policy(self, policy: RetentionPolicy, *, idempotency_key: str | None = None) -> str:
        """Create a retention policy (POST /api/v1/policies) and return its id. Again, it changes nothing.

        Raises: Refused with status 409 where the id holds another policy.
        """
        body = POLICY.write(policy)
        route = "/api/v1/policies"
        call = Call("create_retention_policy", "POST", route, body=body, schema=POLICY, idempotency_key=idempotency_key)
        return self._call(call, POLICY_CREATED).policy_id

    def apply_retention_policy(self, archive_id: str, policy_id: str) -> None:
        """Keep an archive as long as the policy says (PUT /api/v1/archive/{id}/policy). Again, it changes nothing."""
        route = "/api/v1/archive/{archive_id}/policy"
        ids, body = {"archive_id": archive_id}, ASSIGNMENT.write(PolicyId(policy_id))
        self._call(Call("apply_retention_policy", "PUT", route, ids=ids, body=body, schema=ASSIGNMENT))

    def _parts(self, entries: Iterable[ArchiveEntry]) -> Iterator[tuple[list[ArchiveEntry], list[Fragment]]]:
        """The entries of each request, and its body; each entry is made JSON once, and one body is there at a time."""
        some: list[ArchiveEntry] = []
        body: list[Fragment] = []
        size_bytes = BRACKETS
        for entry in entries:
            text = encode(ENTRY.write(entry))
            full = len(some) == self.config.batch_size or size_bytes + len(text) > self.config.batch_max_bytes
            if some and full:
                yield some, body
                some, body, size_bytes = [], [], BRACKETS
            some.append(entry)
            body.append(Fragment(text))
            size_bytes += len(text) + COMMA
        if some:
            yield some, body

    def _archive_part(
        self, entries: Sequence[ArchiveEntry], body: Sequence[Fragment], key: str
    ) -> BatchArchiveResponse:
        part_key = f"{key}:{hashlib.sha256(encode(body)).hexdigest()}"
        answer = self._call(self._archive_call("batch_archive", "/api/v1/archive/batch", body, part_key), BATCH)
        return _judged(entries, answer)

    def _archive_call(self, operation: str, route: str, body: object, key: str | None) -> Call:
        headers = {
            "X-Encryption-Enabled": str(self.config.encryption_enabled).lower(),
            "X-Compression-Enabled": str(self.config.compression_enabled).lower(),
        }
        return Call(operation, "POST", route, body=body, schema=ENTRY, headers=headers, idempotency_key=key)


def _judged(entries: Sequence[ArchiveEntry], answer: BatchArchiveResponse) -> BatchArchiveResponse:
    """Match the answer to what was sent: by archive id or by session id, as the vault pleases.

    A session id in both lists (two archives of one session) does not say which was stored: both failed.
    """
    named = set(answer.archived)
    sessions = named - {failure.session_id for failure in answer.failed}
    archived = [entry.id for entry in entries if entry.id in named or entry.session_id in sessions]
    failed = list(_failures(entries, set(archived), answer))
    return BatchArchiveResponse(archived, total=len(entries), success_count=len(archived), failed=failed)


def _failures(
    entries: Sequence[ArchiveEntry], archived: set[str], answer: BatchArchiveResponse
) -> Iterator[ArchiveFailure]:
    reasons = {failure.session_id: failure.error for failure in answer.failed}
    for entry in entries:
        if entry.id not in archived:
            yield ArchiveFailure(entry.session_id, safe_reason(reasons.get(entry.session_id, "")))


def safe_reason(text: str) -> str:
    """A service's own reason where it is made of plain words for it; anything else might quote a conversation."""
    words = re.findall(r"[^\W\d]\w*", text.lower())
    plain = bool(words) and len(text) <= 200 and text.isascii() and all(word in _REASON_WORDS for word in words)
    return text if plain else "refused by the vault"
