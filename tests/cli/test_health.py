"""What `mgw health` says of parts that work, of parts that do not, and of what never answers."""

import os
import socket
import time

import pytest
from memory_graph_workers.cli.health import command
from memory_graph_workers.cli.stack.ports import free_port
from support.embedded import embedded
from support.forked import mgw
from support.waiting import until

PARTS = command.params[0].type.choices


def health(*arguments, environ=None):
    return mgw("health", *map(str, arguments), environ={**os.environ, **(environ or {})})


def is_healthy(*arguments, environ=None):
    """Whether the command says so; on a busy machine its own five seconds may pass before a response comes."""
    told = health(*arguments, environ=environ)
    return (told.returncode, told.stdout) == (0, "healthy\n")


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
    until(lambda: is_healthy(part, "--port", stack.port(part)))


def test_a_worker_is_healthy_when_it_answers_and_no_other_workers_answer_counts(stack):
    until(lambda: is_healthy("worker", "--name", "worker@local", environ=stack.environ))
    another = f"Error: The worker celery@{socket.gethostname()} does not respond.\n"
    until(lambda: health("worker", environ=stack.environ).stderr == another)


def test_beat_is_healthy_once_it_sends(stack):
    until(lambda: "No beat has renewed" in health("beat", environ=stack.environ).stderr)
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
