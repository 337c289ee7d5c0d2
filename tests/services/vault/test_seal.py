"""What is sealed opens as itself, for its own ids and keys, and as nothing else."""

import base64
import os
from dataclasses import replace

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from memory_graph_workers.schemas.canonical import canonical_json
from memory_graph_workers.services.vault.keys import Damaged, LostKey, MasterKey, new_key, read_ring
from memory_graph_workers.services.vault.seal import Ids, Sealed, SealOptions, seal, unseal

RING = read_ring([new_key()])
IDS = Ids("archive-1", "session-1")
WISHES = [SealOptions(encryption, compression) for encryption in (True, False) for compression in (True, False)]
TEXT = b"the patient asked about the same dose " * 50
WORDS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
)
every_way = pytest.mark.parametrize("wishes", WISHES)


@given(JSON.map(canonical_json), st.sampled_from(WISHES))
def test_the_very_bytes_come_back(content, wishes):
    assert unseal(seal(content, IDS, wishes, RING), IDS, RING) == content


@pytest.mark.parametrize("wishes", [wishes for wishes in WISHES if wishes.encryption])
def test_nothing_of_the_content_shows_where_it_is_encrypted(wishes):
    body = seal(TEXT, IDS, wishes, RING).body
    assert b"patient" not in body
    assert zstandard.FRAME_HEADER not in body


def test_content_in_the_clear_can_be_read_without_a_key():
    assert TEXT in seal(TEXT, IDS, SealOptions(encryption=False, compression=False), RING).body


@pytest.mark.parametrize("encryption", [True, False])
def test_compression_makes_it_small(encryption):
    assert len(seal(TEXT, IDS, SealOptions(encryption, compression=True), RING).body) < len(TEXT) / 10


@every_way
def test_the_same_content_is_never_stored_the_same_way_twice(wishes):
    one, other = (seal(TEXT, IDS, wishes, RING) for _ in range(2))
    assert (one.body == other.body, one.key.wrapped == other.key.wrapped) == (False, False)


@every_way
def test_a_changed_bit_anywhere_is_found(wishes):
    sealed = seal(b"short", IDS, wishes, RING)
    for place in range(len(sealed.body)):
        body = bytearray(sealed.body)
        body[place] ^= 1
        with pytest.raises(Damaged):
            unseal(replace(sealed, body=bytes(body)), IDS, RING)


@every_way
@pytest.mark.parametrize("length", [0, 1, 14, 29, -1])
def test_a_cut_body_is_found(wishes, length):
    sealed = seal(b"", IDS, wishes, RING)
    with pytest.raises(Damaged):
        unseal(replace(sealed, body=sealed.body[:length]), IDS, RING)


@every_way
@pytest.mark.parametrize("ids", [Ids("archive-2", "session-1"), Ids("archive-1", "session-2")])
def test_it_does_not_open_under_other_ids(wishes, ids):
    with pytest.raises(Damaged):
        unseal(seal(TEXT, IDS, wishes, RING), ids, RING)


@pytest.mark.parametrize("cut", [0, 11, 12, 59])
def test_a_damaged_data_key_is_found(cut):
    sealed = seal(TEXT, IDS, WISHES[0], RING)
    damaged = replace(sealed.key, wrapped=sealed.key.wrapped[:cut])
    with pytest.raises(Damaged):
        unseal(replace(sealed, key=damaged), IDS, RING)


def test_a_body_does_not_open_with_another_archives_data_key():
    one, other = (seal(TEXT, IDS, WISHES[0], RING) for _ in range(2))
    with pytest.raises(Damaged):
        unseal(replace(one, key=other.key), IDS, RING)


def test_a_lost_key_is_named():
    with pytest.raises(LostKey, match=RING.first.id):
        unseal(seal(TEXT, IDS, WISHES[0], RING), IDS, read_ring([new_key()]))


@every_way
def test_rotation_leaves_the_body_and_needs_the_old_key_no_more(wishes):
    old, new = new_key(), new_key()
    sealed = seal(TEXT, IDS, wishes, read_ring([old]))
    rotated = replace(sealed, key=read_ring([new, old]).rewrap(sealed.key, IDS.archive_id))
    assert unseal(rotated, IDS, read_ring([new])) == TEXT
    with pytest.raises(LostKey):
        unseal(rotated, IDS, read_ring([old]))


def by_hand(packed):
    """Seal as the format is written down, with nothing of the code that is tested but the wrapping of the key."""
    data_key, nonce, head = os.urandom(32), os.urandom(12), bytes([1, 1 + 2])
    bound = head + canonical_json([IDS.archive_id, IDS.session_id])
    body = head + nonce + AESGCM(data_key).encrypt(nonce, packed, bound)
    return Sealed(body, RING.wrap(data_key, IDS.archive_id))


def test_the_format_is_as_it_is_written_down():
    assert unseal(by_hand(zstandard.compress(TEXT)), IDS, RING) == TEXT


def test_a_frame_that_asks_for_too_much_memory_is_refused():
    size_of_eight_bytes = b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little")
    with pytest.raises(Damaged):
        unseal(by_hand(size_of_eight_bytes + b"\x01\x00\x00"), IDS, RING)


def test_a_frame_that_does_not_say_its_size_is_refused():
    endless = zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * 10_000_000)
    with pytest.raises(Damaged):
        unseal(by_hand(endless), IDS, RING)


@pytest.mark.parametrize("change", [lambda frame: frame[:-1], lambda frame: frame + b"x", lambda frame: b"x" + frame])
def test_a_frame_that_is_none_is_refused(change):
    with pytest.raises(Damaged):
        unseal(by_hand(change(zstandard.compress(TEXT))), IDS, RING)


def test_a_frame_that_holds_more_than_it_says_is_refused():
    frame = bytearray(zstandard.compress(b"\0" * 100))
    assert frame[5] == 100
    frame[5] = 99
    with pytest.raises(Damaged):
        unseal(by_hand(bytes(frame)), IDS, RING)


def test_an_id_tells_the_key_apart_and_is_stable():
    assert MasterKey(b"\0" * 32).id == "cb3f2a067e670d62"
    assert len({read_ring([new_key()]).first.id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("texts", "mistakes"),
    [
        ([], ["Missing"]),
        (["not base64!"], ["Key 1 is not base64"]),
        (["AAAA", "c2VjcmV0"], ["Key 1 has 3 bytes and must have 32", "Key 2 has 6 bytes"]),
        ([base64.b64encode(b"k" * 32).decode()] * 2, ["Key 2 is key 1 again"]),
    ],
)
def test_wrong_keys_are_all_named_by_their_place_and_never_by_their_value(texts, mistakes):
    with pytest.raises(ValueError, match="mgw vault new-key") as told:
        read_ring(texts)
    assert all(mistake in str(told.value) for mistake in mistakes)
    assert not any(text in str(told.value) for text in texts)


def test_no_repr_shows_a_key():
    ring = read_ring([base64.b64encode(b"k" * 32).decode()])
    assert "kkkk" not in f"{ring!r} {ring.first!r} {vars(ring)!r}"
