"""`mgw flower`: what it refuses, what it lets through, and how it ends."""

import base64
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flower.urls import handlers
from memory_graph_workers.cli.flower.command import unwanted
from memory_graph_workers.cli.flower.config import FlowerConfig
from memory_graph_workers.cli.flower.console.routes import PAGES
from memory_graph_workers.cli.flower.monitor import DiscreetEvents, Receiver
from memory_graph_workers.cli.stack.ports import free_port, http_status
from support.forked import mgw
from support.waiting import LONGEST_SECS
from tornado.ioloop import IOLoop

LOGIN = "admin:a-long-password"
COMMAND = [sys.executable, "-m", "memory_graph_workers.cli", "flower"]
SENT: dict[str, object] = {
    "type": "task-sent", "uuid": "1", "name": "n", "hostname": "h", "timestamp": 1.0, "clock": 1, "local_received": 1.0,
}  # fmt: skip
BARE = {"PATH": "/usr/bin:/bin"}
PATHS = [
    "/metrics",
    "/console/console.css",
    "/static/js/flower.js",
    "/nowhere",
    "/api/workers",
    "/api/task/apply/x",
    "/login",
    "/",
]


def refused(*arguments: str, **environ: str) -> str:
    """What is said where nothing starts."""
    told = mgw("flower", *arguments, environ=BARE | environ)
    assert (told.returncode, told.stdout) == (2, "")
    assert "Traceback" not in told.stderr
    return told.stderr


@pytest.mark.parametrize("login", ["", "admin", "admin:", ":a-long-password", "admin:short", "admin:pässword-lang"])
def test_a_login_that_is_none_is_refused_with_how_to_make_one_and_not_repeated(login: str) -> None:
    with pytest.raises(ValueError, match=r"\(FLOWER_BASIC_AUTH\): Must be USER:PASSWORD.*openssl rand") as refused:
        FlowerConfig.from_env({"FLOWER_BASIC_AUTH": f"{LOGIN},{login}" if login else ""})
    assert "a-long-password" not in str(refused.value)


def test_the_login_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "login").write_text(f"{LOGIN}\n")
    config = FlowerConfig.from_env({"FLOWER_BASIC_AUTH_FILE": str(tmp_path / "login")})
    assert config.logins == (LOGIN,)
    assert "a-long-password" not in repr(config)


@pytest.mark.parametrize("name", ["UNAUTHENTICATED_API", "AUTH", "AUTH_PROVIDER", "CONF", "UNIX_SOCKET", "ADDRESS"])
def test_what_would_open_it_is_not_wanted(name: str) -> None:
    ours = ["FLOWER_BASIC_AUTH", "FLOWER_BASIC_AUTH_FILE", "FLOWER_READ_ONLY", "FLOWER_MAX_TASKS", "FLOWER_PORT"]
    assert [found for found, _ in unwanted([*ours, f"FLOWER_{name}"])] == [f"FLOWER_{name}"]


def test_all_mistakes_are_told_at_once() -> None:
    told = refused(REDIS_URL="nowhere", FLOWER_AUTH=".*", FLOWER_UNAUTHENTICATED_API="0", FLOWER_MAX_TASKS="many")
    for name in ("(REDIS_URL)", "FLOWER_AUTH", "UNAUTHENTICATED_API", "(FLOWER_MAX_TASKS)", "(FLOWER_BASIC_AUTH)"):
        assert name in told


def test_a_port_that_is_taken_is_told(port: int) -> None:
    assert f"Cannot listen on 127.0.0.1, port {port}" in refused("--port", str(port), FLOWER_BASIC_AUTH=LOGIN)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A Flower that only shows, whose broker is away; a service of Kubernetes is called as it is."""
    port = free_port()
    environ = {**os.environ, "FLOWER_BASIC_AUTH": f"other:other-password,{LOGIN}", "FLOWER_PORT": "tcp://10.0.0.1:5555"}
    environ |= {"FLOWER_READ_ONLY": "true"}
    environ |= {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/0"}
    flower = subprocess.Popen([*COMMAND, "--port", str(port)], env=environ)
    try:
        while http_status(port, "/healthcheck") != 200:
            assert flower.poll() is None
        yield port
    finally:
        flower.send_signal(signal.SIGTERM)
        assert flower.wait(LONGEST_SECS) == 0


def ask(port: int, method: str, path: str, login: str | None = None, scheme: str = "Basic") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    coded = base64.b64encode((login or "").encode()).decode()
    connection.request(method, path, headers={"Authorization": f"{scheme} {coded}"} if login is not None else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status != 401 or answer.headers["WWW-Authenticate"] == 'Basic realm="flower"'
    return answer.status, text


def routes() -> list[str]:
    """A path for each of Flower's own routes but the open one, and for each of the console's."""
    patterns = [rule[0] if isinstance(rule, tuple) else rule.regex.pattern for rule in handlers]
    patterns += [pattern.replace(r"([\w-]+)", "x") for pattern in PAGES]
    paths = {pattern.replace("(.+)", "x").replace("(.*)", "x").rstrip("$?") for pattern in patterns}
    return sorted(path for path in paths if path.startswith("/") and path != "/healthcheck")


@pytest.mark.parametrize("login", [None, "", "admin:", "admin:a-long-passwort", "admin:ä", "x" * 10_000])
def test_nothing_answers_without_the_password(port: int, login: str | None) -> None:
    paths = [*routes(), *PATHS]
    assert len(paths) > 45
    for method in ("GET", "POST"):
        assert {path: ask(port, method, path, login) for path in paths} == dict.fromkeys(paths, (401, "Access denied"))


def test_another_scheme_is_no_password(port: int) -> None:
    assert ask(port, "GET", "/", LOGIN, "Bearer")[0] == 401


def test_the_open_page_says_ok_and_no_more(port: int) -> None:
    assert ask(port, "GET", "/healthcheck") == (200, "OK")


@pytest.mark.parametrize(
    "path", ["/metrics", "/static/js/flower.js", "/console/console.css", "/tasks", "/api/tasks", "/doctor"]
)
def test_the_password_opens_everything(port: int, path: str) -> None:
    assert ask(port, "GET", path, LOGIN)[0] == ask(port, "GET", path, "other:other-password")[0] == 200


def test_it_knows_of_no_result_store(port: int) -> None:
    assert ask(port, "GET", "/api/task/result/some-id", LOGIN)[0] == 503


@pytest.mark.parametrize("path", ["task/send-task/x", "task/apply/x", "task/revoke/x", "worker/shutdown/x"])
def test_where_it_only_shows_it_sends_and_stops_nothing(port: int, path: str) -> None:
    assert ask(port, "POST", f"/api/{path}", LOGIN) == (403, "Read only mode is enabled")


@pytest.mark.parametrize(
    ("told", "shown"), [("('secret',)", "…"), (["secret"], "…"), ("1,234 bytes in all", "1,234 bytes in all")]
)
def test_of_what_a_producer_announces_flower_remembers_sizes_alone(told: object, shown: str) -> None:
    task = took({**SENT, "args": told, "kwargs": told}).tasks["1"]
    assert (task.name, task.args, task.kwargs) == ("n", shown, shown)


def test_a_broken_event_is_not_logged_with_what_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    assert not took({"type": "task-sent", "uuid": "1", "hostname": "h", "exception": "secret"}).tasks
    assert "Exception in callback" in caplog.text
    assert "secret" not in caplog.text


HEARTBEAT: dict[str, object] = {
    "type": "worker-heartbeat",
    "hostname": "h",
    "timestamp": 1.0,
    "freq": 2.0,
    "active": 0,
    "processed": 1,
}


@pytest.mark.parametrize(
    "forged",
    [
        {"timestamp": "now"},
        {"timestamp": None},
        {"timestamp": float("nan")},
        {"freq": []},
        {"active": "many"},
        {"processed": {}},
        {"loadavg": "high"},
        {"loadavg": [None, 1, 2]},
        {"loadavg": [10**400, 1, 2]},
        {"timestamp": 1e300},
        {"hostname": 5},
        {"hostname": None},
        {"sw_ver": {"a": 1}},
    ],
)
def test_a_forged_heartbeat_is_dropped(forged: dict[str, object]) -> None:
    told = {**HEARTBEAT, "local_received": 1.0, "clock": 1, "pid": 1, "utcoffset": 0}
    assert list(took(told).workers) == ["h"]
    assert not took({**told, **forged}).workers


@pytest.mark.parametrize(
    "forged",
    [
        {"hostname": None},
        {"uuid": {"a": 1}},
        {"name": ["n"]},
        {"eta": {}},
        {"runtime": "long"},
        {"retries": 10**400},
        {"timestamp": 1e18},
        {"type": 5},
        {"type": "rumour"},
        {"type": "task-rumour"},
        {"type": "worker-rumour"},
    ],
)
def test_a_forged_event_of_a_task_is_dropped(forged: dict[str, object]) -> None:
    state = took({**SENT, **forged})
    assert not state.tasks
    assert not state.workers


@pytest.mark.parametrize("name", ["state", "received", "worker", "children", "as_dict"])
def test_flower_remembers_no_fields_of_a_task_that_nobody_sends(name: str) -> None:
    state = took({**SENT, name: {"a": 1}})
    assert state.tasks["1"].as_dict()["state"] == "PENDING"
    assert getattr(state.tasks["1"], name) != {"a": 1}


@pytest.mark.parametrize(
    "junk", [5, None, "hello", [5, None], {}, {"type": "task-sent", "timestamp": "now", "utcoffset": 0}]
)
def test_what_is_no_event_does_not_end_the_hearing_of_events(junk: object) -> None:
    heard: list[Any] = []
    app = Celery(set_as_current=False)
    receiver = Receiver(None, app=app, handlers={"*": heard.append})
    receiver.receive([junk, dict(SENT)], None)
    receiver.receive(junk, None)
    assert [event["uuid"] for event in heard] == ["1"]


def test_an_event_that_cannot_be_decoded_is_not_logged_with_what_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    Receiver(None, app=Celery(set_as_current=False)).on_decode_error(Unreadable(), ValueError("secret"))
    assert "could not be read" in caplog.text
    assert "secret" not in caplog.text


class Unreadable:
    """A message, as kombu hands it over."""

    body = b"secret"

    def ack(self) -> None:
        """Nothing waits for it."""


def test_of_invented_workers_flower_remembers_no_more_than_it_may() -> None:
    state = took(
        *({**SENT, "type": "task-started", "uuid": f"u{number}", "hostname": f"h{number}"} for number in range(99))
    )
    assert len(state.workers) == 5
    assert len(state.counter) <= 10
    assert state.counter["h98"] == {"task-started": 1}


def took(*sent: dict[str, object]) -> Any:
    """What Flower knows after some events."""
    loop = IOLoop(make_current=False)
    events = DiscreetEvents(Celery(set_as_current=False), loop, max_tasks_in_memory=10, max_workers_in_memory=5)
    for event in sent:
        events.on_event(event)
    loop.add_callback(loop.stop)
    loop.start()
    loop.close()
    return events.state
