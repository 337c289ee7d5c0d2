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


def test_a_walk_stops_at_the_total(server: FakeServer, registry: RegistryClient) -> None:
    serve(server, listing(100, 1, 3, total=6))
    assert len(list(registry.iter_sessions(3))) == 6
    assert len(server.requests) == 2


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
    assert len(server.requests) <= 4


@pytest.mark.parametrize("numbered", [True, False])
def test_a_server_that_repeats_a_later_page_is_an_error_and_not_an_endless_walk(
    server: FakeServer, registry: RegistryClient, numbered: bool
) -> None:
    honest = listing(100, 0, 2, numbered=numbered, total=10**9)

    def stuck(asked: int | None) -> Page:
        page: Page = honest(min(asked or 0, 2))
        return {**page, "page": asked or 0} if numbered else page

    serve(server, stuck)
    with pytest.raises(SerializationError, match="page"):
        list(islice(registry.iter_sessions(), 100))


def test_models_are_walked_alike(server: FakeServer, registry: RegistryClient) -> None:
    def page_of(asked: int | None) -> Page:
        model = {"model_id": f"m-{asked}", "version": "1", "provider": "p", "created_at": "2026-01-31T12:00:00Z"}
        return {"models": [model], "total": 2, "page": asked or 0}

    serve(server, page_of)
    assert [model.model_id for model in registry.iter_models()] == ["m-None", "m-1"]
