"""Data-Vault: archives and the retention policies they are kept under."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
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
    PlacedEntrySchema,
    PolicyAssignmentSchema,
    PolicyCreatedSchema,
    PolicyId,
    RetentionPolicy,
    RetentionPolicySchema,
    RetrievedArchive,
    RetrievedArchiveSchema,
)
from .base import Exchanges, ServiceClient
from .call import Call, Extension, encode
from .config import IDLE_CONNECTIONS, RetryPolicy, VaultConfig
from .errors import SerializationError

if TYPE_CHECKING:
    from .breaker import Breaker

BRACKETS, COMMA = 2, 1
_NOT_STORED = ("failed", "failure", "error", "rejected")
ENTRY = ArchiveEntrySchema()
PLACED_ENTRY = PlacedEntrySchema()
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
        transport: Exchanges | None = None,
    ) -> None:
        super().__init__(
            config, retry_policy or RetryPolicy(initial_delay_secs=0.2), breaker, idle_connections, transport
        )
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
        return self._archive_all(entries, idempotency_key or str(uuid4()))

    def batch_archive_under_policy(
        self, entries: Sequence[ArchiveEntry], policy_id: str, *, idempotency_key: str | None = None
    ) -> BatchArchiveResponse:
        """Store many sessions as `batch_archive` does, under a policy in the same request where the vault takes that.

        `policies` of the result names the archives that are under the policy now; place each other one by itself.
        """
        return self._archive_all(entries, idempotency_key or str(uuid4()), policy_id)

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

    def _archive_all(self, entries: Sequence[ArchiveEntry], key: str, policy_id: str = "") -> BatchArchiveResponse:
        parts = [self._archive_part(some, texts, key, policy_id) for some, texts in self._parts(entries, policy_id)]
        archived = [archive_id for part in parts for archive_id in part.archived]
        failed = [failure for part in parts for failure in part.failed]
        placed = dict.fromkeys((one for part in parts for one in part.policies or ()), policy_id)
        return BatchArchiveResponse(archived, len(entries), len(archived), failed, placed if policy_id else None)

    def _parts(
        self, entries: Iterable[ArchiveEntry], policy_id: str
    ) -> Iterator[tuple[list[ArchiveEntry], list[bytes]]]:
        """Yield entries of each request as such and as JSON; one request's texts are in memory at a time."""
        some: list[ArchiveEntry] = []
        texts: list[bytes] = []
        size_bytes, more_bytes = BRACKETS, len(_placing(policy_id))
        for entry in entries:
            text = encode(ENTRY.write(entry))
            entry_bytes = len(text) + more_bytes
            full = len(some) == self.config.batch_size or size_bytes + entry_bytes > self.config.batch_max_bytes
            if some and full:
                yield some, texts
                some, texts, size_bytes = [], [], BRACKETS
            some.append(entry)
            texts.append(text)
            size_bytes += entry_bytes + COMMA
        if some:
            yield some, texts

    def _archive_part(
        self, entries: Sequence[ArchiveEntry], texts: Sequence[bytes], key: str, policy_id: str
    ) -> BatchArchiveResponse:
        call = self._batch_call(entries, texts, key)
        if policy_id:
            call.extension = self._under_policy(entries, texts, key, policy_id)
        response = self._call(call, BATCH)
        if policy_id and response.archived and response.policies is None:
            self.capabilities.forget("archive_policy")  # it stored them, and took no notice of the policy
        return _matched(entries, response, policy_id)

    def _batch_call(self, entries: Sequence[ArchiveEntry], texts: Iterable[bytes], key: str) -> Call:
        body = [*map(Fragment, texts)]
        part_key = f"{key}:{hashlib.sha256(encode(body)).hexdigest()}"
        return self._archive_call("batch_archive", "/api/v1/archive/batch", body, part_key, entries)

    def _under_policy(
        self, entries: Sequence[ArchiveEntry], texts: Sequence[bytes], key: str, policy_id: str
    ) -> Extension:
        """Return the form of a batch whose entries name their policy."""

        def form(facts: Any) -> Call:
            more = _placing(policy_id)
            return replace(self._batch_call(entries, [text[:-1] + more for text in texts], key), schema=PLACED_ENTRY)

        return Extension("archive_policy", form, _took_entries)

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


def _placing(policy_id: str) -> bytes:
    """Return what an entry's JSON ends with, instead of its brace, to name its policy."""
    return b',"policy_id":%s}' % encode(policy_id) if policy_id else b""


def _took_entries(response: BatchArchiveResponse) -> bool:
    """Return whether a vault knew the field; one that does not may refuse each entry because of it."""
    return bool(response.archived) or response.policies is not None


def _matched(
    entries: Sequence[ArchiveEntry], response: BatchArchiveResponse, policy_id: str = ""
) -> BatchArchiveResponse:
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
    policies: Mapping[str, Any] = response.policies or {}
    placed = {archive_id: policy_id for archive_id in archived if policy_id and policies.get(archive_id) == policy_id}
    return BatchArchiveResponse(archived, len(entries), len(archived), failed, placed)


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
