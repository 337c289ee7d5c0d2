"""What anybody puts into the console's addresses and forms: each answer is a page, and says what is wrong."""

import http.client
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from memory_graph_workers.cli.flower.console.dead_letters import FILTERS
from memory_graph_workers.cli.flower.console.routes import PAGES
from memory_graph_workers.cli.stack.ports import LOOPBACK
from support.broker import Broker
from support.console import Answer, Visitor, console
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import LONGEST_SECS

NAMES = ("said", *FILTERS, "action", "queue", "reason", "service", "_xsrf", "other")
PATHS = sorted(path.replace("(.+)", "x").replace(r"([\w-]+)", "x") for path in PAGES)
NESTED = [path.replace("(.+)", "") for path in PAGES if path.endswith("(.+)")]
NO_TEXT = ("%FF", "%C3%28", "%ED%A0%80", "a%80")
ODD = ("%00", "%0A%0D", "a" * 2000, "%3Cimg%20src=x%20onerror=alert(1)%3E", "%1B%5B31m", "%E2%80%AE", "%zz", "..%2F..")
FORMS = (
    "/queues",
    "/sweeps",
    "/sweeps/dry-run",
    "/dead-letters/select",
    "/dead-letters/select/x",
    "/dead-letters/bulk/x",
)


@pytest.fixture(scope="module")
def flower(running: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with console(running.url, tmp_path_factory.mktemp("flower")) as visitor:
        yield visitor


def is_a_page(answer: Answer, *statuses: int) -> None:
    """A whole page of the console, in which nothing that was sent is a tag, or moves a terminal."""
    assert answer.status in statuses, (answer.status, answer.text)
    assert "<h1" in answer.html
    assert "<img src=x" not in answer.html
    assert "\x1b" not in answer.html
    assert "Unexpected" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_text_is_named_in_any_argument(flower: Visitor, broker: Broker, path: str) -> None:
    for name in NAMES:
        for value in NO_TEXT[: 1 if name != "said" else None]:
            answer = flower.get(f"{path}?{name}={value}")
            is_a_page(answer, 400)
            assert f"What was sent as {name} is no UTF-8 text." in answer.text


@pytest.mark.parametrize("value", NO_TEXT)
def test_what_is_no_text_is_named_in_a_path(flower: Visitor, broker: Broker, value: str) -> None:
    for path in NESTED:
        answer = flower.get(path + value)
        is_a_page(answer, 400)
        assert "The address of this page is no UTF-8 text." in answer.text


@pytest.mark.parametrize("value", ODD)
def test_odd_text_in_an_address_is_shown_as_text(flower: Visitor, broker: Broker, value: str) -> None:
    every = "&".join(f"{name}={value}&{name}={value}" for name in NAMES if name != "_xsrf")
    for path in ("/queues", "/sweeps", "/sweeps/dry-run", "/dead-letters"):
        answer = flower.get(f"{path}?{every}")
        is_a_page(answer, 200, 400)
    for path in NESTED[:2]:
        is_a_page(flower.get(path + value), 404)


def test_a_filter_that_is_too_long_is_refused_and_not_cut(flower: Visitor, broker: Broker) -> None:
    answer = flower.get(f"/dead-letters?task={'a' * 201}")
    is_a_page(answer, 400)
    assert "task is longer than 200 characters. Write less." in answer.text


@pytest.mark.parametrize("path", FORMS)
def test_what_is_no_text_in_a_form_is_named_and_does_nothing(flower: Visitor, broker: Broker, path: str) -> None:
    flower.get("/queues")
    for name in NAMES:
        body = f"{name}=%FF" if name == "_xsrf" else f"{name}=%FF&_xsrf={quote(flower.token)}"
        is_a_page(sent(flower, path, body.encode()), 400)
    assert broker.redis.keys("*hold*") == broker.redis.keys("*paused*") == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"action=hold"),
        ("application/x-www-form-urlencoded", b"\xff\xfe=\x00&%"),
        ("application/x-www-form-urlencoded", b"a=1&" * 5000),
    ],
)
def test_a_form_of_another_kind_is_refused(flower: Visitor, broker: Broker, kind: str, body: bytes) -> None:
    answer = sent(flower, "/queues", body, kind)
    assert answer.status in (400, 403)
    assert answer.text
    assert broker.redis.keys("*hold*") == []


def sent(flower: Visitor, path: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> Answer:
    connection = http.client.HTTPConnection(LOOPBACK, flower.port, timeout=LONGEST_SECS)
    connection.request("POST", path, body, {**flower._own, "Content-Type": kind})
    response = connection.getresponse()
    with response:
        html = response.read().decode()
    connection.close()
    return Answer(response.status, html, response.headers, 0.0)
