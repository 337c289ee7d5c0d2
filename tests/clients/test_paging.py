"""Walking listings of servers that number their pages from 0, from 1, or not at all."""

from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from memory_graph_workers.clients.errors import SerializationError
from memory_graph_workers.clients.registry import RegistryClient
from support.fakes.http_server import Connection, FakeServer, whole

Page = dict[str, Any]


def session(number: int) -> Page:
    return {"session_id": f"s-{number}", "model_id": "m", "started_at": "2026-01-31T12:00:00Z", "status": "completed"}


def listing(count: int, first: int, size: int, *, numbered: bool = True, total: int | None = None) -> Any:
    """A server of `count` sessions that numbers its pages from `first`, and says so if `numbered`."""

    def page_of(asked: int | None) -> Page:
        page = first if asked is None else asked
        start = max(0, page - first) * size
        answer = {"sessions": [session(n) for n in range(start, min(start + size, count))]}
        return {**answer, "total": count if total is None else total, **({"page": page} if numbered else {})}

    return page_of


def serve(server: FakeServer, page_of: Callable[[int | None], Page]) -> None:
    def play(connection: Connection) -> None:
        query = parse_qs(urlsplit(server.requests[-1].path).query)
        asked = int(query["page"][0]) if "page" in query else None
        connection.send(whole(200, page_of(asked)))

    server.default = play


@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 9])
def test_every_session_is_seen_once_in_order(
    server: FakeServer, registry: RegistryClient, numbered: bool, first: int, count: int
) -> None:
    serve(server, listing(count, first, 3, numbered=numbered))
    assert [found.session_id for found in registry.iter_sessions(3)] == [f"s-{n}" for n in range(count)]
    assert server.requests[0].path == "/api/v1/sessions?page_size=3"
    assert len(server.requests) <= count // 3 + 3


def test_a_walk_stops_at_an_empty_page_whatever_the_total(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, listing(5, 1, 3, total=1000))
    assert len(list(registry.iter_sessions(3))) == 5
    assert len(server.requests) == 3


def test_a_walk_stops_at_the_total_after_a_page_that_is_not_full(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, listing(8, 1, 3))
    assert len(list(registry.iter_sessions(3))) == 8
    assert len(server.requests) == 3


@pytest.mark.parametrize("total", [0, 1, 3, 6])
@pytest.mark.parametrize("size", [3, None])
def test_a_full_page_is_followed_by_a_request_whatever_the_total(
    server: FakeServer, registry: RegistryClient, caplog: pytest.LogCaptureFixture, total: int, size: int | None
) -> None:
    serve(server, listing(10, 1, 3, total=total))
    assert len(list(registry.iter_sessions(size))) == 10
    assert caplog.text.count(f"more rows than its total of {total}") == 1


def test_pages_are_fetched_as_the_walk_goes(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, listing(9, 1, 3))
    walk = registry.iter_sessions(3)
    next(walk)
    assert len(server.requests) == 1


@pytest.mark.parametrize("said", [{}, {"page": 1}, {"page": None}], ids=["not numbered", "numbered", "null"])
def test_a_server_that_repeats_its_first_page_is_an_error_and_not_an_endless_walk(
    server: FakeServer, registry: RegistryClient, said: Page
) -> None:
    serve(server, lambda asked: {"sessions": [session(0), session(1)], "total": 10**9, **said})
    with pytest.raises(SerializationError, match="page"):
        list(registry.iter_sessions())
    assert len(server.requests) <= 6


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("before", [0, 1, 2, 6])
def test_pages_that_go_in_a_circle_are_an_error_and_not_an_endless_walk(
    server: FakeServer, registry: RegistryClient, numbered: bool, length: int, before: int
) -> None:
    honest = listing(100, 0, 2, numbered=numbered, total=10**9)

    def circle(asked: int | None) -> Page:
        number = asked or 0
        page: Page = honest(number if number < before else before + (number - before) % length)
        return {**page, "page": number} if numbered else page

    serve(server, circle)
    seen = set[str]()
    with pytest.raises(SerializationError, match="circle"):
        seen.update(found.session_id for found in islice(registry.iter_sessions(), 1000))
    assert len(seen) == 0 or len(seen) == 2 * (before + length)


BROKEN_ROWS: dict[str, Any] = {
    "an id of 300 characters": session(0) | {"session_id": "s" * 300},
    "a count below 0": session(0) | {"total_tokens": -1},
    "half a token": session(0) | {"total_tokens": 3.5},
    "a start without offset": session(0) | {"started_at": "2026-01-31T12:00:00"},
    "no object": "s-0",
    "null": None,
}


@pytest.mark.parametrize("broken", BROKEN_ROWS.values(), ids=list(BROKEN_ROWS))
@pytest.mark.parametrize("at", [0, 2])
def test_a_broken_row_is_skipped_and_named_without_its_value(
    server: FakeServer, registry: RegistryClient, caplog: pytest.LogCaptureFixture, broken: Any, at: int
) -> None:
    rows = [session(1), session(2)]
    rows.insert(at, broken)
    serve(server, lambda asked: {"sessions": rows if asked is None else [], "total": 3, "page": asked or 0})
    assert [found.session_id for found in registry.iter_sessions(3)] == ["s-1", "s-2"]
    assert f"sessions.{at}" in caplog.text
    assert "ssss" not in caplog.text


@pytest.mark.parametrize("broken", BROKEN_ROWS.values(), ids=list(BROKEN_ROWS))
def test_a_page_without_one_readable_row_is_an_error_that_names_them(
    server: FakeServer, registry: RegistryClient, broken: Any
) -> None:
    serve(server, lambda asked: {"sessions": [broken] * 9, "total": 9})
    with pytest.raises(SerializationError, match=r"sessions\.0.*more"):
        list(registry.iter_sessions(9))


def test_what_a_newer_service_knows_is_read_as_it_is(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, lambda asked: {"sessions": [session(0) | {"status": "paused", "total_tokens": 3.0}], "total": 1})
    (found,) = registry.iter_sessions(3)
    assert (found.status, found.total_tokens, type(found.total_tokens)) == ("paused", 3, int)


def test_models_are_walked_alike(server: FakeServer, registry: RegistryClient) -> None:
    def page_of(asked: int | None) -> Page:
        if asked == 2:
            return {"models": [], "total": 2, "page": 2}
        model = {"model_id": f"m-{asked}", "version": "1", "provider": "p", "created_at": "2026-01-31T12:00:00Z"}
        return {"models": [model], "total": 2, "page": asked or 0}

    serve(server, page_of)
    assert [model.model_id for model in registry.iter_models()] == ["m-None", "m-1"]
