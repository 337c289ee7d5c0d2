"""Data-Vault: archives and the retention policies they are kept under."""

import hashlib
import re
from collections import Counter
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
    RetrievedArchive,
    RetrievedArchiveSchema,
)
from .base import Call, ServiceClient, encode
from .config import IDLE_CONNECTIONS, RetryPolicy, VaultConfig
from .errors import SerializationError

if TYPE_CHECKING:
    from .breaker import Breaker

BRACKETS, COMMA = 2, 1
_NOT_STORED = ("failed", "failure", "error", "rejected")
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

        Raises: a TransientError if it is not.
        """
        return self._is_healthy()

    def archive_session(self, entry: ArchiveEntry, *, idempotency_key: str | None = None) -> ArchiveResponse:
        """Store one session in the vault (POST /api/v1/archive).

        A repeat under the same key, or with the same archive id and content, stores nothing more.
        Raises: Refused with status 409 if the id holds other content, 413 if the entry is too large; SerializationError
        if the receipt is for another archive or says that storing failed.
        """
        body = ENTRY.write(entry)
        call = self._archive_call("archive_session", "/api/v1/archive", body, idempotency_key, [entry])
        call.expects = {"archive_id": entry.id, "session_id": entry.session_id}
        receipt = self._call(call, RECEIPT)
        if receipt.status.lower() in _NOT_STORED:
            raise SerializationError("the receipt says that storing failed", self.service, call.operation)
        return receipt

    def batch_archive(
        self, entries: Sequence[ArchiveEntry], *, idempotency_key: str | None = None
    ) -> BatchArchiveResponse:
        """Store many sessions (POST /api/v1/archive/batch) and merge the responses.

        A request has at most `batch_size` entries and `batch_max_bytes`; a larger entry goes alone. `archived` of the
        result lists archive ids; an entry that the vault does not mention counts as failed. The idempotency key of
        each request is `<key>:<SHA-256 of its body>`, so a repeat with fewer entries is a new request.
        """
        key = idempotency_key or str(uuid4())
        parts = [self._archive_part(some, body, key) for some, body in self._parts(entries)]
        archived = [archive_id for part in parts for archive_id in part.archived]
        failed = [failure for part in parts for failure in part.failed]
        return BatchArchiveResponse(archived, total=len(entries), success_count=len(archived), failed=failed)

    def retrieve_session(self, archive_id: str) -> RetrievedArchive:
        """Return an archive (GET /api/v1/archive/{id}).

        Raises: Refused with status 404 if there is none.
        """
        ids, expects = {"archive_id": archive_id}, {"id": archive_id}
        call = Call("retrieve_session", "GET", "/api/v1/archive/{archive_id}", ids=ids, expects=expects)
        return self._call(call, ARCHIVE)

    def delete_archive(self, archive_id: str) -> None:
        """Delete an archive (DELETE /api/v1/archive/{id}); if it is already gone, that counts as deleted.

        Raises: Refused with status 409 until its retention ends.
        """
        self._delete(Call("delete_archive", "DELETE", "/api/v1/archive/{archive_id}", ids={"archive_id": archive_id}))

    def create_retention_policy(self, policy: RetentionPolicy, *, idempotency_key: str | None = None) -> str:
        """Create a retention policy (POST /api/v1/policies) and return its id. A repeat changes nothing.

        Raises: Refused with status 409 if the id belongs to another policy.
        """
        body = POLICY.write(policy)
        route = "/api/v1/policies"
        call = Call("create_retention_policy", "POST", route, body=body, schema=POLICY, idempotency_key=idempotency_key)
        call.expects = {"policy_id": policy.policy_id}
        return self._call(call, POLICY_CREATED).policy_id

    def apply_retention_policy(self, archive_id: str, policy_id: str) -> None:
        """Put an archive under a retention policy (PUT /api/v1/archive/{id}/policy). A repeat changes nothing."""
        route = "/api/v1/archive/{archive_id}/policy"
        ids, body = {"archive_id": archive_id}, ASSIGNMENT.write(PolicyId(policy_id))
        self._call(Call("apply_retention_policy", "PUT", route, ids=ids, body=body, schema=ASSIGNMENT))

    def _parts(self, entries: Iterable[ArchiveEntry]) -> Iterator[tuple[list[ArchiveEntry], list[Fragment]]]:
        """Yield entries and body of each request; an entry is encoded once, and one body is in memory at a time."""
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
        call = self._archive_call("batch_archive", "/api/v1/archive/batch", body, part_key, entries)
        return _matched(entries, self._call(call, BATCH))

    def _archive_call(
        self, operation: str, route: str, body: object, key: str | None, entries: Sequence[ArchiveEntry]
    ) -> Call:
        headers = {
            "X-Encryption-Enabled": str(self.config.encryption_enabled).lower(),
            "X-Compression-Enabled": str(self.config.compression_enabled).lower(),
        }
        subject = " ".join(entry.id for entry in entries)  # a repeat may differ in its time
        return Call(
            operation, "POST", route, body=body, schema=ENTRY, headers=headers, idempotency_key=key, subject=subject
        )


def _matched(entries: Sequence[ArchiveEntry], response: BatchArchiveResponse) -> BatchArchiveResponse:
    """Match a response to the entries that were sent; the vault may list archive ids or session ids.

    A session id in both lists (two archives of one session) does not say which was stored, so both count as failed. So
    does an archive that is in both: a contradiction is no receipt.
    """
    named, failures = set(response.archived), Counter(failure.session_id for failure in response.failed)
    sessions = named - failures.keys()
    stored = [entry for entry in entries if entry.id in named or entry.session_id in sessions]
    asked = Counter(entry.session_id for entry in entries)
    said = Counter(entry.session_id for entry in stored) + failures
    archived = [
        entry.id
        for entry in stored
        if entry.id not in failures
        and (entry.session_id not in failures or said[entry.session_id] <= asked[entry.session_id])
    ]
    failed = list(_failures(entries, set(archived), response))
    return BatchArchiveResponse(archived, total=len(entries), success_count=len(archived), failed=failed)


def _failures(
    entries: Sequence[ArchiveEntry], archived: set[str], response: BatchArchiveResponse
) -> Iterator[ArchiveFailure]:
    reasons = {failure.session_id: failure.error for failure in response.failed}
    for entry in entries:
        if entry.id not in archived:
            reason = reasons.get(entry.session_id) or reasons.get(entry.id, "")
            yield ArchiveFailure(entry.session_id, safe_reason(reason))


def safe_reason(text: str) -> str:
    """Return the service's own reason if all its words are known; anything else might quote a conversation."""
    words = re.findall(r"[^\W\d]\w*", text.lower())
    plain = bool(words) and len(text) <= 200 and text.isascii() and all(word in _REASON_WORDS for word in words)
    return text if plain else "refused by the vault"
