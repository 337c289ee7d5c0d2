"""The Vault's master keys, which wrap the data key of each archive.

A master key never encrypts anything itself: each use has its own key, derived by HKDF (RFC 5869).
"""

import base64
import binascii
import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ...schemas.canonical import canonical_json

KEY_BYTES = 32
NONCE_BYTES = 12
_ID_BYTES = 8
_LABEL = "memory_graph_workers vault"
ADVICE = "Make a key with: mgw vault new-key"


class Unreadable(Exception):
    """A stored archive that cannot be read; `reason` says why, and what to do.

    Unreadable
      LostKey   its master key is not configured: add it again
      Damaged   its bytes or its key have changed: restore a backup
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LostKey(Unreadable):
    """An archive's master key is not configured."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The archive needs the key {key_id}: add it to VAULT_ENCRYPTION_KEYS of this vault.")


class Damaged(Unreadable):
    """The stored bytes are not what was sealed for this archive."""

    def __init__(self) -> None:
        super().__init__("The stored archive is damaged: restore it from a backup.")


class MasterKey:
    """One key of VAULT_ENCRYPTION_KEYS; its id is derived from it but does not reveal it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = self._derived("id")[:_ID_BYTES].hex()
        self._wrapping = AESGCM(self._derived("wrap"))
        self._fingerprinting = self._derived("fingerprint")

    def wrap(self, data_key: bytes, archive_id: str) -> bytes:
        """Encrypt an archive's data key; it can be unwrapped for this archive alone."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, data_key, self._associated_data(archive_id))

    def unwrap(self, wrapped: bytes, archive_id: str) -> bytes:
        """Decrypt an archive's data key.

        Raises: Damaged if this key did not wrap it for this archive.
        """
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._wrapping.decrypt(nonce, rest, self._associated_data(archive_id))
        except (InvalidTag, ValueError) as error:
            raise Damaged from error

    def fingerprint(self, data: bytes) -> str:
        """A keyed hash of `data`: without the key nobody can test guesses against it."""
        return hmac.digest(self._fingerprinting, data, "sha256").hex()

    def _derived(self, use: str) -> bytes:
        label = f"{_LABEL} {use}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(self._secret)

    def _associated_data(self, archive_id: str) -> bytes:
        return canonical_json([_LABEL, "data key", self.id, archive_id])


@dataclass(frozen=True)
class WrappedKey:
    """An archive's data key as stored, and the id of the master key that unwraps it."""

    key_id: str
    wrapped: bytes


class KeyRing:
    """The master keys: the first wraps, all unwrap."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        self.first = keys[0]
        self._by_id = {key.id: key for key in keys}

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._by_id

    @property
    def ids(self) -> list[str]:
        """The keys' ids, in the order of the setting."""
        return list(self._by_id)

    def get(self, key_id: str) -> MasterKey:
        """The key with this id.

        Raises: LostKey if there is none.
        """
        if key_id not in self._by_id:
            raise LostKey(key_id)
        return self._by_id[key_id]

    def wrap(self, data_key: bytes, archive_id: str) -> WrappedKey:
        """Encrypt a data key with the first key."""
        return WrappedKey(self.first.id, self.first.wrap(data_key, archive_id))

    def unwrap(self, key: WrappedKey, archive_id: str) -> bytes:
        """Decrypt a data key.

        Raises: Unreadable.
        """
        return self.get(key.key_id).unwrap(key.wrapped, archive_id)

    def rewrap(self, key: WrappedKey, archive_id: str) -> WrappedKey:
        """Encrypt the same data key with the first key.

        Raises: Unreadable.
        """
        return self.wrap(self.unwrap(key, archive_id), archive_id)

    def fingerprint(self, body: bytes, earlier: str | None) -> str | None:
        """A body's fingerprint by the first key, or by the key of an earlier fingerprint; None if that key is gone."""
        key = self._by_id.get(earlier.partition(":")[0]) if earlier else self.first
        return f"{key.id}:{key.fingerprint(body)}" if key else None


def new_key() -> str:
    """A random key in the form that VAULT_ENCRYPTION_KEYS takes."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def read_ring(texts: Sequence[str]) -> KeyRing:
    """The keys of the setting.

    Raises: ValueError naming each wrong key by its position, never by its value.
    """
    secrets = [_decoded(text) for text in texts]
    mistakes = list(_mistakes(secrets))
    if mistakes:
        raise ValueError(" ".join([*mistakes, f"{ADVICE}."]))
    return KeyRing([MasterKey(secret) for secret in secrets if secret is not None])


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _mistakes(secrets: Sequence[bytes | None]) -> Iterator[str]:
    if not secrets:
        yield "Missing: the Vault needs a key to encrypt with; without this key its archives cannot be read."
    for position, secret in enumerate(secrets):
        if secret is None:
            yield f"Key {position + 1} is not base64."
        elif len(secret) != KEY_BYTES:
            yield f"Key {position + 1} has {len(secret)} bytes and must have {KEY_BYTES}."
        elif secret in secrets[:position]:
            yield f"Key {position + 1} is key {secrets.index(secret) + 1} again."
