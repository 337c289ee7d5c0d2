"""The stored form of an archive: compressed, encrypted, authenticated, and bound to its ids.

    body         format (1 byte) · flags (1 byte: 1 compressed + 2 encrypted) · nonce (12) · the rest
    the rest     encrypted: ciphertext and tag (AES-256-GCM); else the tag and the content in plain text
    content      compressed: one zstd frame
    wrapped key  nonce (12) · the archive's data key, encrypted by a master key, and tag (AES-256-GCM)

Associated data: of the body, its ids, format and flags; of the wrapped key, the ids of the archive and master key.
"""

import os
import threading
from dataclasses import dataclass

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...schemas.canonical import canonical_json
from .keys import KEY_BYTES, NONCE_BYTES, Damaged, KeyRing, WrappedKey

_FORMAT = 1
_COMPRESSED, _ENCRYPTED = 1, 2
_HEADER_BYTES = 2
_TAG_BYTES = 16
_ZSTD_LEVEL = 3
# More than the largest archive that settings allow, with its metadata; a frame that claims more is refused.
_MAX_CONTENT_BYTES = 2**30 + 2**20
_OF_THREAD = threading.local()


@dataclass(frozen=True)
class SealOptions:
    """How an archive is to be stored, as the request's headers ask."""

    encryption: bool
    compression: bool


@dataclass(frozen=True)
class Ids:
    """The ids that content is sealed for; it opens with no others."""

    archive_id: str
    session_id: str


@dataclass(frozen=True)
class Sealed:
    """The stored form of an archive, and its wrapped data key."""

    body: bytes
    key: WrappedKey


def seal(content: bytes, ids: Ids, options: SealOptions, ring: KeyRing) -> Sealed:
    """Seal content under a new data key."""
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
    header = bytes([_FORMAT, _COMPRESSED * options.compression + _ENCRYPTED * options.encryption])
    packed = _compressor().compress(content) if options.compression else content
    rest = _encrypt(AESGCM(data_key), nonce, packed, _associated_data(header, ids), encrypted=options.encryption)
    return Sealed(header + nonce + rest, ring.wrap(data_key, ids.archive_id))


def unseal(sealed: Sealed, ids: Ids, ring: KeyRing) -> bytes:
    """Open sealed content.

    Raises: LostKey; Damaged if this is not what was sealed for these ids.
    """
    header, nonce, rest = _split(sealed.body)
    cipher = AESGCM(ring.unwrap(sealed.key, ids.archive_id))
    packed = _decrypt(cipher, nonce, rest, _associated_data(header, ids), encrypted=bool(header[1] & _ENCRYPTED))
    return _decompress(packed) if header[1] & _COMPRESSED else packed


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's own: to make one costs as much as to compress a small archive, and no two threads may share one."""
    if not hasattr(_OF_THREAD, "compressor"):
        _OF_THREAD.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    return _OF_THREAD.compressor


def _split(body: bytes) -> tuple[bytes, bytes, bytes]:
    start = _HEADER_BYTES + NONCE_BYTES
    if len(body) < start + _TAG_BYTES or body[0] != _FORMAT:
        raise Damaged
    return body[:_HEADER_BYTES], body[_HEADER_BYTES:start], body[start:]


def _associated_data(header: bytes, ids: Ids) -> bytes:
    return header + canonical_json([ids.archive_id, ids.session_id])


def _encrypt(cipher: AESGCM, nonce: bytes, packed: bytes, associated: bytes, *, encrypted: bool) -> bytes:
    if encrypted:
        return cipher.encrypt(nonce, packed, associated)
    return cipher.encrypt(nonce, b"", _length_prefixed(associated, packed)) + packed


def _decrypt(cipher: AESGCM, nonce: bytes, rest: bytes, associated: bytes, *, encrypted: bool) -> bytes:
    try:
        if encrypted:
            return cipher.decrypt(nonce, rest, associated)
        tag, packed = rest[:_TAG_BYTES], rest[_TAG_BYTES:]
        cipher.decrypt(nonce, tag, _length_prefixed(associated, packed))
    except InvalidTag as error:
        raise Damaged from error
    return packed


def _length_prefixed(associated: bytes, packed: bytes) -> bytes:
    # The length separates the two unambiguously.
    return len(associated).to_bytes(8) + associated + packed


def _decompress(frame: bytes) -> bytes:
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if size > _MAX_CONTENT_BYTES:  # also if the frame does not give its size
            raise Damaged
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Damaged from error
