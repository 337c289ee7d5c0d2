"""Ids in paths: percent-encoded into one segment, or refused before anything is sent."""

from typing import Any

import pytest
from memory_graph_workers.schemas.base import ValidationError
from support.fakes.http_server import FakeServer, answer
from support.fakes.one_session import once


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("gpt-3.5-turbo:20230327", "gpt-3.5-turbo%3A20230327"),
        ("meta-llama/Llama-3-8B", "meta-llama%2FLlama-3-8B"),
        ("größe 世界", "gr%C3%B6%C3%9Fe%20%E4%B8%96%E7%95%8C"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c&d=e;f", "a%3Fb%23c%26d%3De%3Bf"),
        ("{session_id}", "%7Bsession_id%7D"),
        ("...", "..."),
        ("a+b~c_d", "a%2Bb~c_d"),
        ("\\..\\", "%5C..%5C"),
    ],
)
def test_ids_go_percent_encoded_into_one_segment(server: FakeServer, given: str, path: str) -> None:
    server.answers(answer(204))
    with once(server) as client:
        client.delete_session(given)
    assert server.requests[0].path == f"/api/v1/sessions/{path}"


@pytest.mark.parametrize("given", [".", "..", "", "a\nb", "a\x00b", "\ud800", "x" * 257, None, 5])
def test_what_is_no_id_is_refused_before_anything_is_sent(server: FakeServer, given: Any) -> None:
    with once(server) as client:
        for call in (client.get_session, client.delete_session, client.get_session_usage):
            with pytest.raises(ValidationError, match="session_id"):
                call(given)
    assert server.requests == []


def test_what_is_no_id_leaves_the_breaker_closed(server: FakeServer) -> None:
    with once(server) as client:
        for _ in range(6):
            with pytest.raises(ValidationError):
                client.delete_session("..")
        client.delete_session("s")
