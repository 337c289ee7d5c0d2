"""What a stack's users do with it, each as a program of its own: a producer, somebody at a terminal or in Flower."""

import base64
import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port, http_status
from memory_graph_workers.cli.stack.stack import Stack
from support.forked import CODE, finished, mgw
from support.waiting import until

REGISTERS = """
import sys
from memory_graph_workers.tasks.registry import register_session
print(register_session.delay(session_id=sys.argv[1], model_id="acme/model:1").get(timeout=120)["session_id"])
"""


def registers(stack: Stack, session_id: str) -> bool:
    """Whether a producer of its own registers a session, and is told so."""
    told = finished(CODE, [REGISTERS, session_id], stack.child_environ())
    return (told.returncode, told.stdout.strip()) == (0, session_id)


def says(stack: Stack, *arguments: str, code: int = 0) -> Any:
    """What `mgw` prints; read, if it is JSON."""
    told = mgw(*arguments, environ=stack.child_environ())
    assert told.returncode == code, told.stdout + told.stderr
    return json.loads(told.stdout) if "--json" in arguments else told.stdout


@contextmanager
def metrics(stack: Stack) -> Iterator[int]:
    """`mgw metrics` beside a stack, until the block ends; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "memory_graph_workers.cli", "metrics", "--port", str(port)]
    started = stack.children.start("metrics", command, stack.child_environ())
    until(lambda: http_status(port, "/healthz") == 200)
    yield port
    stack.children.stop(started)


def flower(stack: Stack, path: str) -> str:
    """A page, as somebody sees it who has the password."""
    connection = http.client.HTTPConnection(LOOPBACK, stack.port("flower"), timeout=30)
    login = base64.b64encode(f"mgw:{stack.keys.flower}".encode()).decode()
    connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
    response = connection.getresponse()
    with response:
        body = response.read().decode()
    connection.close()
    assert response.status == 200
    return body
