"""What `mgw health` says of parts that work, of parts that do not, and of what never answers."""

import os
import socket
import subprocess
import sys
import time

import pytest
from memory_graph_workers.cli.health import command
from memory_graph_workers.cli.stack.ports import free_port
from support.embedded import embedded
from support.waiting import LONGEST_SECS, until

PARTS = command.params[0].type.choices


def health(*arguments, environ=None):
    words = [sys.executable, "-m", "memory_graph_workers.cli", "health", *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=LONGEST_SECS, env={**os.environ, **(environ or {})}
    )


@pytest.fixture(scope="module")
def stack():
    with embedded() as running:
        yield running.stack


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_not_there_is_not_healthy_and_one_line_says_why(part):
    port = free_port()
    told = health(part, "--port", port, environ={"REDIS_URL": f"redis://127.0.0.1:{port}/0"})
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("Error: ")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("part", ["registry", "vault", "memory-graph"])
def test_a_service_that_serves_is_healthy(stack, part):
    told = health(part, "--port", stack.port(part))
    assert (told.returncode, told.stdout) == (0, "healthy\n")


def test_a_worker_is_healthy_when_it_answers_and_no_other_workers_answer_counts(stack):
    assert health("worker", "--name", "worker@local", environ=stack.environ).stdout == "healthy\n"
    told = health("worker", environ=stack.environ)
    assert (told.returncode, told.stderr) == (
        1,
        f"Error: The worker celery@{socket.gethostname()} does not respond.\n",
    )


def test_beat_is_healthy_once_it_sends(stack):
    assert "No beat has renewed" in health("beat", environ=stack.environ).stderr
    stack.start_beat()
    until(lambda: health("beat", environ=stack.environ).returncode == 0)


@pytest.fixture
def silent_port():
    """Something that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("part", PARTS)
def test_what_never_answers_is_given_up_in_time(silent_port, part):
    started = time.monotonic()
    told = health(part, "--port", silent_port, environ={"REDIS_URL": f"redis://127.0.0.1:{silent_port}/0"})
    assert told.returncode == 1
    assert time.monotonic() - started < 60
