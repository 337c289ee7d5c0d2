"""Rows that a service says it cannot read: counted with those that the client cannot read, whatever form they have."""

from collections.abc import Callable

import pytest
from memory_graph_workers.clients.errors import SerializationError
from memory_graph_workers.clients.paging import rows_of
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionListSchema
from memory_graph_workers.schemas.rows import ReadRows, UnreadableRow
from memory_graph_workers.tasks.archival.row_faults import UNREADABLE, RowFaults
from support.fakes.http_server import Connection, FakeServer

ROW = b'{"session_id":"%s","model_id":"m","started_at":"2026-01-31T12:00:00Z","status":"completed"}'
BROKEN = b'{"session_id":"x","model_id":"m","started_at":"2026-01-31","status":"completed"}'
A, B = ROW % b"a", ROW % b"b"


def page(rows: list[bytes], rest: bytes = b"") -> bytes:
    return b'{"sessions":[' + b",".join(rows) + b'],"total":9' + rest + b"}"


def serve(server: FakeServer, body_of: Callable[[str], bytes]) -> None:
    """Send bodies byte for byte, by the path that was asked for."""

    def play(connection: Connection) -> None:
        body = body_of(server.requests[-1].path)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.request.sendall(head + body)

    server.default = play


@pytest.mark.parametrize(
    ("rows", "told", "named"),
    [
        ([A, B], b"", {}),
        ([A, B], b',"unreadable":[]', {}),
        ([A, B], b',"unreadable":[{"index":1,"field":"status"}]', {1: "status"}),
        ([A, B], b',"unreadable":[{"index":0,"field":"metadata"},{"index":3,"field":""}]', {0: "metadata", 3: ""}),
        ([A, BROKEN, B], b',"unreadable":[{"index":1,"field":"status"}]', {1: "status", 2: "started_at"}),
        ([BROKEN, A], b',"unreadable":[{"index":0},{"index":1}]', {0: "", 1: "", 2: "started_at"}),
        ([A], b',"unreadable":[{"index":2.0,"field":"status","grown":{}}]', {2: "status"}),
        ([A], b',"unreadable":[{"index":5,"field":"canary of a value"}]', {5: ""}),
        ([A], b',"unreadable":[{"index":0,"field":"status"},{"index":0,"field":"status"}]', {0: "status"}),
        ([A], b',"unreadable":[{"index":9007199254740993,"field":"status"}]', {9007199254740993: "status"}),
        ([], b',"unreadable":[{"index":0,"field":"status"},{"index":1}]', {0: "status", 1: ""}),
    ],
)  # fmt: skip
def test_rows_that_the_service_names_are_merged_with_our_own(
    server: FakeServer,
    registry: RegistryClient,
    caplog: pytest.LogCaptureFixture,
    rows: list[bytes],
    told: bytes,
    named: dict[int, str],
) -> None:
    serve(server, lambda path: page(rows, told))
    found = registry.list_sessions()
    assert found.unreadable == [UnreadableRow(index, field) for index, field in named.items()]
    assert isinstance(found.sessions, ReadRows)
    assert list(found.sessions.unreadable) == list(named)
    assert rows_of(found.sessions) == len([row for row in rows if row != BROKEN]) + len(named)
    ours = {f"sessions.{100 + index}{'.' if field else ''}{field}": UNREADABLE for index, field in named.items()}
    assert RowFaults.of(found.sessions, 100).named == ours
    assert bool(named) == ("rows of a listing that break the contract" in caplog.text)
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "told",
    [b"3", b"null", b"true", b'"rows"', b"{}", b'{"0":"status"}', b"[null]", b"[1,2]", b'["a"]', b"[[]]", b"[{}]",
     b'[{"field":"status"}]', b'[{"index":-1}]', b'[{"index":"0"}]', b'[{"index":null}]', b'[{"index":0.5}]',
     b'[{"index":1e400}]', b'[{"index":0,"field":7}]', b'[{"index":99999999999999999999}]'],
)  # fmt: skip
def test_what_another_service_means_by_the_name_is_ignored(
    server: FakeServer, registry: RegistryClient, told: bytes
) -> None:
    serve(server, lambda path: page([A, B], b',"unreadable":' + told))
    found = registry.list_sessions()
    assert ([one.session_id for one in found.sessions], found.unreadable) == (["a", "b"], [])
    assert "unreadable" not in SessionListSchema().as_json(found)


def test_the_index_of_an_unknown_status_counts_the_rows_that_were_named(
    server: FakeServer, registry: RegistryClient
) -> None:
    paused = A.replace(b"completed", b"paused")
    serve(server, lambda path: page([B, paused], b',"unreadable":[{"index":0},{"index":2},{"index":77}]'))
    faults = RowFaults.of(registry.list_sessions().sessions, 0)
    assert (faults.unreadable, faults.unknown_statuses) == (3, 1)
    assert "sessions.3.status" in faults.named


def unreadable_page(number: int, rows: int, total: int) -> bytes:
    named = b",".join(b'{"index":%d,"field":"status"}' % index for index in range(rows))
    return b'{"sessions":[],"total":%d,"page":%d,"unreadable":[%s]}' % (total, number, named)


def number_of(path: str) -> int:
    return int(path.partition("?page=")[2].partition("&")[0] or 1)


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 9])
def test_pages_without_one_readable_row_hide_no_later_page(
    server: FakeServer, registry: RegistryClient, pages: int
) -> None:
    def body_of(path: str) -> bytes:
        number = number_of(path)
        if number <= pages:
            return unreadable_page(number, 2, 2 * pages + 1)
        return b'{"sessions":[%s],"total":%d,"page":%d}' % (A if number == pages + 1 else b"", 2 * pages + 1, number)

    serve(server, body_of)
    assert [one.session_id for one in registry.iter_sessions(2)] == ["a"]


@pytest.mark.parametrize("numbered", [True, False])
def test_the_same_unreadable_page_for_ever_ends_the_walk(
    server: FakeServer, registry: RegistryClient, numbered: bool
) -> None:
    kept = b'{"sessions":[],"total":9,"unreadable":[{"index":0},{"index":1}]' + (b',"page":1}' if numbered else b"}")
    serve(server, lambda path: kept)
    if numbered:
        with pytest.raises(SerializationError, match="another page"):
            list(registry.iter_sessions(2))
    else:
        assert list(registry.iter_sessions(2)) == []
    assert len(server.requests) <= 6


def test_models_are_named_alike(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, lambda path: b'{"models":[],"total":1,"unreadable":[{"index":0,"field":"parameters"}]}')
    assert registry.list_models().unreadable == [UnreadableRow(0, "parameters")]
