"""Flower with its console as a program of its own, and somebody who has its password."""

import base64
import http.client
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port, http_status
from support.broker import Broker
from support.forked import MGW, Forked
from support.waiting import LONGEST_SECS, until

USER, PASSWORD = "ann", "a-long-password"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """What Flower answered, and how long that took."""

    status: int
    html: str
    headers: http.client.HTTPMessage
    secs: float

    @property
    def text(self) -> str:
        """What a person reads of it."""
        body = re.sub(r"<(script|style|nav)\b.*?</\1>", "", self.html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


class Visitor:
    """Somebody who has the password, and whose browser keeps the cookie and the token of the last form."""

    def __init__(self, port: int, log: Path, login: str = f"{USER}:{PASSWORD}") -> None:
        self.port, self._log, self._login = port, log, login
        self.cookie = self.token = ""

    def get(self, path: str) -> Answer:
        """A page."""
        answer = self._asked("GET", path)
        found = re.search(r'name="_xsrf" value="([^"]+)"', answer.html)
        self.token = found[1] if found else self.token
        return answer

    def post(self, path: str, token: str | None = None, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        """The answer to a form, with the token of the last page, or with another one."""
        body = urlencode({**fields, "_xsrf": self.token if token is None else token})
        return self._asked("POST", path, body, {"Content-Type": _FORM, **(headers or {})})

    def did(self, path: str, **fields: str) -> Answer:
        """The page that a form leads to."""
        answer = self.post(path, **fields)
        assert answer.status == 303, answer.text
        return self.get(answer.headers["Location"])

    def actions(self) -> list[dict[str, Any]]:
        """The log's lines about what people did."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if "action" in line]

    def log(self) -> str:
        """All that Flower has said."""
        return self._log.read_text()

    def waits_for(self, path: str) -> http.client.HTTPConnection:
        """The connection of a browser that has sent a form, and waits for the answer."""
        body = urlencode({"_xsrf": self.token})
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=LONGEST_SECS)
        connection.request("POST", path, body, {**self._own, "Content-Type": _FORM})
        return connection

    @property
    def _own(self) -> dict[str, str]:
        login = base64.b64encode(self._login.encode()).decode()
        return {"Authorization": f"Basic {login}", **({"Cookie": f"_xsrf={self.cookie}"} if self.cookie else {})}

    def _asked(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=LONGEST_SECS)
        began = time.monotonic()
        connection.request(method, path, body, {**self._own, **(headers or {})})
        response = connection.getresponse()
        with response:
            html = response.read().decode()
        connection.close()
        for given in response.headers.get_all("Set-Cookie") or []:
            found = re.match(r'_xsrf="?([^";]+)', given)
            self.cookie = found[1] if found else self.cookie
        return Answer(response.status, html, response.headers, time.monotonic() - began)


@contextmanager
def console(url: str, folder: Path, **settings: str) -> Iterator[Visitor]:
    """A Flower on the Redis at an address, until the block ends."""
    port, log = free_port(), folder / f"flower-{time.monotonic_ns()}.log"
    log.touch()
    environ = {**os.environ, "REDIS_URL": url, "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}", **settings}
    flower = Forked(MGW, ["flower", "--port", str(port)], environ, folder, [Path(os.devnull), log, log])
    try:
        until(lambda: http_status(port, "/healthcheck") == 200, log.read_text)
        yield Visitor(port, log)
    finally:
        flower.terminate()
        assert flower.wait(LONGEST_SECS) == 0, log.read_text()


@pytest.fixture(scope="module")
def flower(running: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody at a Flower on the file's own Redis."""
    with console(running.url, tmp_path_factory.mktemp("flower")) as visitor:
        yield visitor
