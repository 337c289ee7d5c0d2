"""What the Vault stores of an archive: compressed, encrypted, authentic, and bound to its ids.

    body         format (1 byte) · how it is kept (1 byte: 1 compressed + 2 encrypted) · nonce (12) · the rest
    the rest     encrypted: ciphertext and tag (AES-256-GCM); else the tag, and the content in the clear
    content      compressed: one zstd frame of it
    wrapped key  nonce (12) · the archive's data key, encrypted by a master key, and tag (AES-256-GCM)

Ids, format and how it is kept are associated data of the body; archive and master key's id, of the wrapped key.
"""

import os
from dataclasses import dataclass

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...schemas.base import canonical_json
from .keys import KEY_BYTES, NONCE_BYTES, Damaged, KeyRing, WrappedKey

_FORMAT = 1
_COMPRESSED, _ENCRYPTED = 1, 2
_HEAD_BYTES = 2
_TAG_BYTES = 16
_ZSTD_LEVEL = 3
# More than the largest archive that a setting allows, with its metadata: no frame may ask for more memory.
_MOST_BYTES = 2**30 + 2**20


@dataclass(frozen=True)
class Wishes:
    """What the request's headers ask for the stored form."""

    encryption: bool
    compression: bool


@dataclass(frozen=True)
class Ids:
    """Whose content it is: sealed for these, it opens under no other."""

    archive_id: str
    session_id: str


@dataclass(frozen=True)
class Sealed:
    """The stored form."""

    body: bytes
    key: WrappedKey


def seal(content: bytes, ids: Ids, wishes: Wishes, ring: KeyRing) -> Sealed:
    """Make the stored form, under a new data key."""
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
    head = bytes([_FORMAT, _COMPRESSED * wishes.compression + _ENCRYPTED * wishes.encryption])
    packed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content) if wishes.compression else content
    rest = _closed(AESGCM(data_key), nonce, packed, _bound_to(head, ids), encrypted=wishes.encryption)
    return Sealed(head + nonce + rest, ring.wrap(data_key, ids.archive_id))


def unseal(sealed: Sealed, ids: Ids, ring: KeyRing) -> bytes:
    """Give the content back.

    Raises: LostKey, or Damaged where it is not what was sealed for these ids.
    """
    head, nonce, rest = _split(sealed.body)
    cipher = AESGCM(ring.unwrap(sealed.key, ids.archive_id))
    packed = _opened(cipher, nonce, rest, _bound_to(head, ids), encrypted=bool(head[1] & _ENCRYPTED))
    return _unpacked(packed) if head[1] & _COMPRESSED else packed


def _split(body: bytes) -> tuple[bytes, bytes, bytes]:
    start = _HEAD_BYTES + NONCE_BYTES
    if len(body) < start + _TAG_BYTES or body[0] != _FORMAT:
        raise Damaged
    return body[:_HEAD_BYTES], body[_HEAD_BYTES:start], body[start:]


def _bound_to(head: bytes, ids: Ids) -> bytes:
    return head + canonical_json([ids.archive_id, ids.session_id])


def _closed(cipher: AESGCM, nonce: bytes, packed: bytes, bound: bytes, *, encrypted: bool) -> bytes:
    if encrypted:
        return cipher.encrypt(nonce, packed, bound)
    return cipher.encrypt(nonce, b"", _framed(bound, packed)) + packed


def _opened(cipher: AESGCM, nonce: bytes, rest: bytes, bound: bytes, *, encrypted: bool) -> bytes:
    try:
        if encrypted:
            return cipher.decrypt(nonce, rest, bound)
        tag, packed = rest[:_TAG_BYTES], rest[_TAG_BYTES:]
        cipher.decrypt(nonce, tag, _framed(bound, packed))
    except InvalidTag as error:
        raise Damaged from error
    return packed


def _framed(bound: bytes, packed: bytes) -> bytes:
    # The length keeps one from passing for the other.
    return len(bound).to_bytes(8) + bound + packed


def _unpacked(frame: bytes) -> bytes:
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if size > _MOST_BYTES:  # also where the frame does not say its size
            raise Damaged
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Damaged from error
