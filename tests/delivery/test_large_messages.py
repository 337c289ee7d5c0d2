"""Messages that are small in Redis and huge once they are opened: a worker sets them aside and stays small."""

import base64
import bz2
import gc
import gzip
import json
import lzma
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import zstandard
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from memory_graph_workers.delivery import DeadLetter, Reason, UnfitMessage
from memory_graph_workers.delivery.dead_letters.replay import NotReplayable, replay
from memory_graph_workers.delivery.messages.envelope import Malformed, refuse_expensive
from memory_graph_workers.delivery.messages.message import MESSAGE_MAX_BYTES, Message, body_of
from support.delivery_producer import app_at

MIB = 2**20
MOST_BYTES = 4 * MIB
PLAIN = b"[[7], {}, {}]"


def large(mebibytes: int) -> bytes:
    return b'[["' + b"x" * (mebibytes * MIB) + b'"], {}, {}]'


# Made by the tests that need them: every process of a parallel run imports this module.
BOMBS: dict[str, tuple[Any, Callable[[], bytes]]] = {
    "zlib": ("application/x-gzip", lambda: zlib.compress(large(300))),
    "gzip": ("gzip", lambda: gzip.compress(large(20))),
    "bzip2": ("application/x-bz2", lambda: bz2.compress(large(20))),
    "lzma": ("application/x-lzma", lambda: lzma.compress(large(20))),
    "not compressed at all": ("zlib", lambda: PLAIN),
    "cut off": ("zlib", lambda: zlib.compress(large(20))[:1000]),
    "many values": ("zlib", lambda: zlib.compress(b"[[" + b"[]," * MIB + b"[]], {}, {}]")),
    "many strings": ("zlib", lambda: zlib.compress(b"[[" + b'"",' * (MIB + 9) + b'""], {}, {}]')),
    "one byte too large": ("zlib", lambda: zlib.compress(b" " * MOST_BYTES + b"0")),
    "a compression that is a list": (["zlib"], lambda: PLAIN),
}


@cache
def bomb(kind: str) -> tuple[Any, bytes]:
    compression, packed = BOMBS[kind]
    return compression, packed()


def envelope(body: bytes, compression: Any = None, task: str = "good") -> dict[str, Any]:
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": task, "id": str(uuid4()), "compression": compression},
        "properties": {
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "work"},
            "body_encoding": "base64",
        },
    }


@pytest.mark.parametrize("kind", BOMBS)
def test_refuses_what_opens_to_too_much_and_takes_little_memory(kind: str) -> None:
    compression, body = bomb(kind)
    found = envelope(body, compression)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            body_of(found, MOST_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MOST_BYTES


@pytest.mark.parametrize("kind", ["zlib", "gzip", "one byte too large", "many values"])
def test_what_is_refused_keeps_nothing_of_what_was_opened(kind: str) -> None:
    compression, body = bomb(kind)
    found = envelope(body, compression)
    channel = SimpleNamespace(message_max_bytes=MOST_BYTES, no_ack_consumers=())
    gc.disable()  # a worker collects so rarely that many may come before
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        refused = [Message(found, channel) for _ in range(8)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert all(message.errors for message in refused)
    assert after - before < MIB


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
@pytest.mark.parametrize("compression", ["application/x-gzip", "gzip", "zlib"])
def test_opens_zlib_and_gzip_under_each_of_their_names(compress: Any, compression: str) -> None:
    assert body_of(envelope(compress(PLAIN), compression), MESSAGE_MAX_BYTES) == PLAIN


@given(st.binary(), st.sampled_from([None, "", "zlib", "gzip", "lzma", "zstd", 5]))
def test_opens_any_bytes_or_refuses_them(body: bytes, compression: Any) -> None:
    try:
        opened = body_of(envelope(body, compression), MESSAGE_MAX_BYTES)
    except Malformed:
        return
    assert opened == body or compression


def test_counts_values_outside_texts_only() -> None:
    refuse_expensive(json.dumps(['[{,"' * 1_200_000, "\\" * 1000]).encode())
    with pytest.raises(Malformed, match="values"):
        refuse_expensive(json.dumps(list(range(1_200_000))).encode())


def test_a_worker_stays_small_among_them_and_goes_on(
    broker: Any, producer: Celery, start_worker: Any, until: Any
) -> None:
    worker = start_worker(DELIVERY_MESSAGE_MAX_BYTES=str(MOST_BYTES))
    producer.send_task("good", (0,), compression="zlib")
    until(lambda: broker.redis.llen("done") == 1)
    before = peak_bytes(worker.process.pid)
    for number, (compression, body) in enumerate(map(bomb, BOMBS), 1):
        producer.send_task("good", (number,), compression="gzip")
        broker.redis.lpush("work", json.dumps(envelope(body, compression)))
    broker.redis.lpush("work", b'{"body": "' + b"x" * (2 * MOST_BYTES))
    producer.send_task("good", (1000,))
    until(lambda: broker.redis.llen("done") == len(BOMBS) + 2 and broker.dead.count() == len(BOMBS) + 1)
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert worker.is_alive
    assert {letter.reason for letter in broker.dead.list(100)} <= {"undecodable", "invalid_message", "broken_envelope"}
    assert peak_bytes(worker.process.pid) - before < 100 * MIB  # kombu took 1.2 GB


def test_the_sender_of_a_message_that_is_set_aside_is_told(broker: Any, producer: Celery) -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    for arguments, options in [
        ((deep,), {}),
        (("x" * MESSAGE_MAX_BYTES,), {}),
        (("x" * MESSAGE_MAX_BYTES,), {"compression": "zlib"}),
        ((list(range(1_200_000)),), {}),
        ((1,), {"compression": "bzip2"}),
        ((1,), {"task_id": "with spaces"}),
    ]:
        with pytest.raises(UnfitMessage, match="a worker would set it aside"):
            producer.send_task("good", arguments, **options)
    assert not broker.redis.exists("work")


def test_a_new_message_does_not_carry_the_losses_of_an_earlier_one(broker: Any, producer: Celery) -> None:
    producer.send_task("good", (1,), headers={"worker_losses": 9, "redelivered": True, "tenant": "a"})
    headers = json.loads(broker.redis.lindex("work", 0))["headers"]
    assert "worker_losses" not in headers
    assert "redelivered" not in headers
    assert headers["tenant"] == "a"


PADDED = PLAIN + b" " * (MIB + 100)
UNOPENED = {
    "a little too large": (None, PADDED),
    "more than twice too large": (None, PLAIN + b" " * (2 * MIB + MIB // 2)),
    "too large when it is opened": ("zlib", zlib.compress(PADDED)),
    "bzip2": ("application/x-bz2", bz2.compress(PADDED)),
    "lzma": ("application/x-lzma", lzma.compress(PADDED)),
    "small, and in bzip2": ("bzip2", bz2.compress(PLAIN)),
}


def shop(url: str, most_bytes: int = MESSAGE_MAX_BYTES) -> Celery:
    return app_at(url, ("good",), message_max_bytes=most_bytes)


def test_what_a_worker_does_not_open_is_kept_whole_and_runs_when_the_bound_is_larger(
    broker: Any, start_worker: Any, until: Any
) -> None:
    sent = {kind: envelope(body, compression) for kind, (compression, body) in UNOPENED.items()}
    small = start_worker("small", DELIVERY_MESSAGE_MAX_BYTES=str(MIB))
    for message in sent.values():
        broker.redis.lpush("work", json.dumps(message))
    broker.redis.lpush("work", json.dumps(envelope(PADDED, task="nobody.knows")))
    until(lambda: broker.dead.count() == len(sent) + 1)
    until(lambda: not broker.redis.exists("unacked", "work"))
    assert small.is_alive
    small.stop()
    for kind, message in sent.items():
        letter = broker.dead.get(message["headers"]["id"])
        assert (letter.task, letter.reason, letter.queue) == ("good", Reason.UNDECODABLE, "work"), kind
        assert letter.payload["envelope"]["body"] == message["body"]
        assert letter.payload["envelope"]["headers"] == message["headers"]
    assert broker.redis.hlen("delivery:dead:letters") == len(sent)  # only the unknown task's is in quarantine
    assert broker.redis.hlen("delivery:dead:quarantine:letters") == 1

    too_small = shop(broker.url, MIB)
    for message in list(sent.values())[:-1]:
        letter = broker.dead.get(message["headers"]["id"])
        with pytest.raises(NotReplayable, match=r"larger than 1048576 bytes.*MESSAGE_MAX_BYTES"):
            replay(too_small, broker.dead, letter)
    assert broker.dead.count() == len(sent) + 1
    app = shop(broker.url)
    for message in sent.values():
        assert replay(app, broker.dead, broker.dead.get(message["headers"]["id"])) == message["headers"]["id"]
    assert broker.dead.count() == 1
    start_worker("large")
    until(lambda: broker.redis.llen("done") == len(sent))
    assert set(broker.redis.lrange("done", 0, -1)) == {b"7"}


def test_what_was_to_run_earlier_only_and_what_nobody_can_unpack_stays(broker: Any, producer: Celery) -> None:
    app = shop(broker.url)
    for compression, expires in [("brotli", None), ("bzip2", None), (None, "2001-01-01T00:00:00+00:00")]:
        message = envelope(PLAIN, compression)
        payload = {"envelope": message, "options": {"expires": expires}}
        letter = DeadLetter("t", Reason.UNDECODABLE, "work", task="good", payload=payload)
        broker.dead.add(letter)
        with pytest.raises(NotReplayable, match="which is over" if expires else "gzip or no compression"):
            replay(app, broker.dead, letter)
        assert broker.dead.has("t")
    assert not broker.redis.exists("work")
    replay(app, broker.dead, broker.dead.get("t"), even_if_expired=True)
    assert json.loads(broker.redis.lindex("work", 0))["headers"]["expires"] is None


PACKED = {
    "zstd": zstandard.ZstdCompressor().compress(PLAIN),
    "application/zstd": zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
}


def sent_again(broker: Any, body: bytes, compression: Any) -> Any:
    """What is put on the queue if a letter with this body is replayed."""
    payload = {"envelope": envelope(body, compression)}
    letter = DeadLetter("t", Reason.UNDECODABLE, "work", task="good", payload=payload)
    broker.dead.add(letter)
    replay(shop(broker.url, MIB), broker.dead, letter)
    return json.loads(broker.redis.rpop("work"))


def test_what_other_compressions_packed_is_unpacked_before_it_is_sent_again(broker: Any) -> None:
    for compression, body in PACKED.items():
        sent = sent_again(broker, body, compression)
        assert base64.b64decode(sent["body"]) == PLAIN, compression
        assert not sent["headers"].get("compression")


@pytest.mark.parametrize(
    ("compression", "body", "told"),
    [
        *(
            (kind, body[:-3], f"compressed with {kind}, but it is broken: send the call")
            for kind, body in PACKED.items()
        ),
        *((kind, b"x" * 40, f"compressed with {kind}, but it is broken: send the call") for kind in PACKED),
        (
            "brotli",
            PLAIN,
            "compressed with brotli, which no worker opens and this command cannot unpack: send the call",
        ),
        (["zstd"], PLAIN, "compressed in an unknown way, which no worker opens"),
        ("zstd", zstandard.ZstdCompressor().compress(large(2)), "larger than 1048576 bytes"),
        ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(large(2)), "larger than 1048576 bytes"),
    ],
)
def test_a_letter_that_cannot_be_unpacked_stays_and_says_why_and_what_to_do(
    broker: Any, compression: Any, body: bytes, told: str
) -> None:
    with pytest.raises(NotReplayable, match=told):
        sent_again(broker, body, compression)
    assert broker.dead.has("t")


def test_a_python_without_zstandard_says_what_to_install(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(NotReplayable, match=r"compressed with zstd.*pip install zstandard.*then purge the letter"):
        sent_again(broker, PACKED["zstd"], "zstd")
    assert broker.dead.has("t")


def test_what_has_no_room_among_the_letters_keeps_its_beginning(broker: Any, start_worker: Any, until: Any) -> None:
    start_worker(DELIVERY_MESSAGE_MAX_BYTES=str(MIB), DELIVERY_MAX_LETTER_BYTES=str(MIB))
    message = envelope(PADDED)
    broker.redis.lpush("work", json.dumps(message))
    until(lambda: broker.dead.count() == 1)
    payload = broker.dead.get(message["headers"]["id"]).payload
    assert payload["size_bytes"] > MIB
    assert len(payload["base64"]) < 90_000


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
