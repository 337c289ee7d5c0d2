"""What a Registry or a Vault may respond: listings, receipts, errors."""

import json
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.clients.errors import HttpError, IntegrationError, Refused, SerializationError
from memory_graph_workers.clients.paging import walk
from memory_graph_workers.clients.registry import MODELS, SESSION, SESSIONS, STATS
from memory_graph_workers.clients.responses import _keys, load, refuse
from memory_graph_workers.clients.vault import ARCHIVE, BATCH, ENTRY, POLICY_CREATED, RECEIPT, _matched
from memory_graph_workers.schemas.vault import ArchiveEntry, ArchiveFailure, BatchArchiveResponse
from support.fuzzing import JSON, TEXT, examples, nested, objects
from support.lean import lean
from urllib3 import HTTPHeaderDict, HTTPResponse

MOMENT = "2026-01-31T12:00:00Z"
SESSION_ROW = {"session_id": "s", "model_id": "m", "started_at": MOMENT, "ended_at": None, "status": "active",
               "prompt_count": 1, "total_tokens": 3, "metadata": {}}  # fmt: skip
FAILURE = {"session_id": "s", "error": "e"}
MODEL_ROW = {"model_id": "m", "version": "1", "provider": "p", "created_at": MOMENT, "parameters": {}, "tags": []}
READERS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "session": (SESSION, objects(SESSION_ROW)),
    "sessions": (SESSIONS, objects({"sessions": [SESSION_ROW], "total": 1, "page": 1, "page_size": 10})),
    "rows": (SESSIONS, st.lists(objects(SESSION_ROW) | JSON).map(lambda rows: {"sessions": rows, "total": 9})),
    "models": (MODELS, st.lists(objects(MODEL_ROW) | JSON, max_size=5).map(lambda rows: {"models": rows, "total": 9})),
    "usage": (STATS, objects({"id": "s", "from": MOMENT, "to": MOMENT, "avg_latency_ms": 1.5, "custom_metrics": {}})),
    "receipt": (RECEIPT, objects({"archive_id": "a", "session_id": "s", "status": "ok", "archived_at": MOMENT})),
    "batch": (BATCH, objects({"archived": ["a"], "failed": [FAILURE], "total": 1, "success_count": 1})),
    "archive": (ARCHIVE, objects({"id": "a", "session_id": "s", "data": {}, "retention_days": 1})),
    "policy": (POLICY_CREATED, objects({"policy_id": "p"})),
}  # fmt: skip
BODIES = st.binary(max_size=40) | st.sampled_from(
    [b"", b"null", b"NaN", b"[" * 60_000, b'{"a":' * 9000, b"1" * 10_000, b'"\\ud800"', b"\xff", b"\xef\xbb\xbf{}"]
)
ENTRIES = [
    ArchiveEntry(session, {}, 1, id=id_) for id_, session in [("a1", "s1"), ("a2", "s2"), ("a3", "s2"), ("s1", "a1")]
]
NAMES = st.sampled_from(["a1", "a2", "a3", "s1", "s2", "other", ""])


def responded(status: int, body: bytes, **headers: str) -> HTTPResponse:
    return HTTPResponse(body, HTTPHeaderDict({"Content-Length": str(len(body)), **headers}), status)


@pytest.mark.parametrize("name", READERS)
def test_a_response_is_read_or_breaks_the_contract(name: str) -> None:
    reader, shapes = READERS[name]

    @given(payload=shapes | JSON)
    @examples(40)
    def responded_with(payload: Any) -> None:
        read_or_refused(reader, json.dumps(payload).encode())

    responded_with()


@given(body=BODIES, reader=st.sampled_from([SESSIONS, BATCH, ARCHIVE]))
@example(body=json.dumps({"sessions": [nested(900)], "total": 1}).encode(), reader=SESSIONS)
@examples(100)
def test_bytes_are_read_or_break_the_contract(body: bytes, reader: Any) -> None:
    read_or_refused(reader, body)


@given(status=st.integers(100, 999), body=BODIES | JSON.map(lambda value: json.dumps(value).encode()))
@example(status=422, body=b'{"errors":' + b"[" * 900 + b"]" * 900 + b"}")
@example(status=400, body=b'{"a":' * 450 + b"1" + b"}" * 450)
@examples(150)
def test_an_error_is_one_of_ours(status: int, body: bytes) -> None:
    if 200 <= status < 300:
        refuse(responded(status, body), body, "KEY", ENTRY)
        return
    with pytest.raises(IntegrationError) as caught:
        refuse(responded(status, body), body, "KEY", ENTRY)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("levels", [1, 900, 1_200, 5_000])
@pytest.mark.parametrize("opened", ['{"a":', "[", '[{"a":'])
@lean
def test_a_response_of_any_depth_is_read_or_one_of_our_errors(opened: str, levels: int) -> None:
    """From Python 3.12 on, JSON is parsed far deeper than a function may recurse."""
    closed = "".join({"[": "]", "{": "}"}.get(one, "") for one in reversed(opened))
    body = (opened * levels + '{"tags": 1}' + closed * levels).encode()
    with pytest.raises(Refused) as caught:
        refuse(responded(422, body), body, "KEY", ENTRY)
    assert len(str(caught.value)) < 500
    for reader in (SESSION, SESSIONS, ARCHIVE, BATCH):
        read_or_refused(reader, b'{"metadata":' + body + b',"data":' + body + b"}")


@pytest.mark.parametrize("levels", [1, 100, 20_000])
@lean
def test_an_error_names_the_fields_that_it_mentions_at_any_depth(levels: int) -> None:
    assert list(_keys([{"b": nested(levels)}, {"a": {"tags": 1}}])).count("tags") == 1
    deep: Any = {"tags": 1}
    for _ in range(levels):
        deep = [{"a": deep}]
    assert "tags" in _keys(deep)


@given(
    pages=st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=6),
    total=st.integers(-5, 2**70),
    size=st.none() | st.integers(-2, 4),
    numbers=st.lists(st.none() | st.integers(-2, 5), min_size=1, max_size=6),
)
@examples(300)
def test_a_walk_of_any_pages_ends(
    pages: list[list[str]], total: int, size: int | None, numbers: list[int | None]
) -> None:
    fetched: list[int | None] = []

    def fetch(page: int | None) -> Any:
        fetched.append(page)
        assert len(fetched) < 200
        at = len(fetched) - 1
        return SimpleNamespace(
            rows=pages[at % len(pages)], total=total, page=numbers[at % len(numbers)], page_size=size
        )

    rows_of: Callable[[Any], Any] = lambda page: page.rows  # noqa: E731
    try:
        found = list(walk(fetch, rows_of, str))
    except SerializationError:
        return
    assert set(found) <= {row for page in pages for row in page}


@given(archived=st.lists(NAMES, max_size=5), failed=st.lists(st.tuples(NAMES, TEXT), max_size=5))
@example(archived=["a1"], failed=[("a1", "")])
@example(archived=["s2"], failed=[("s2", "")])
@examples(300)
def test_a_receipt_leaves_each_entry_archived_or_failed(archived: list[str], failed: list[tuple[str, str]]) -> None:
    said = BatchArchiveResponse(archived, 0, 0, [ArchiveFailure(*one) for one in failed])
    found = _matched(ENTRIES, said)
    assert len(found.archived) + len(found.failed) == len(ENTRIES) == found.total
    for entry in ENTRIES:
        named = {entry.id, entry.session_id}
        assert entry.id not in found.archived or named & set(archived)
        assert entry.id not in found.archived or entry.id not in dict(failed)
    assert all(failure.error.isascii() for failure in found.failed)


def read_or_refused(reader: Any, body: bytes) -> None:
    with suppress(SerializationError, HttpError):
        load(responded(200, body), body, reader)
