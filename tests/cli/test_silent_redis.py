"""What commands say of a Redis that takes connections and hangs: within seconds, and what to do."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

import pytest
from memory_graph_workers.cli.answering import ANSWER_SECS
from memory_graph_workers.cli.answering import silent as who_is_silent
from memory_graph_workers.cli.stack.ports import free_port
from support.broker import Broker
from support.forked import mgw
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.silent import silent as silent
from support.waiting import SOON_SECS

COMMANDS = (
    ["queues", "--json"],
    ["queues", "try", "vault"],
    ["queues", "hold", "memory_graph.vault", "--reason", "x"],
    ["queues", "move", "--from", "old:", "--yes"],
    ["dead", "list"],
    ["dead", "show", "one"],
    ["dead", "purge", "--all", "--yes"],
    ["sweeps", "list"],
    ["sweeps", "pause"],
    ["sweep", "--now"],
    ["report", "--month", "2026-10"],
    ["doctor"],
    ["status"],
)


def timed(arguments: list[str], environ: dict[str, str]) -> tuple[CompletedProcess[str], float]:
    began = time.monotonic()
    told = mgw(*arguments, environ=environ)
    return told, time.monotonic() - began


def test_every_command_names_the_server_and_ends_soon(silent: str) -> None:
    keys = {f"{name}_API_KEY": "key" for name in ("REGISTRY", "VAULT", "MEMORY_GRAPH")}
    urls = {f"{name}_URL": f"http://127.0.0.1:{free_port()}" for name in ("REGISTRY", "VAULT")}
    environ = {**os.environ, **keys, **urls, "REDIS_URL": silent.replace("//", "//:a-secret@")}
    with ThreadPoolExecutor(len(COMMANDS)) as side_by_side:
        found = list(side_by_side.map(lambda arguments: timed(arguments, environ), COMMANDS))
    for arguments, (told, secs) in zip(COMMANDS, found, strict=True):
        text = told.stdout + told.stderr
        assert told.returncode == 1, (arguments, text)
        assert "not answer" in " ".join(text.split()), (arguments, text)
        assert "REDIS_URL" in text, (arguments, text)
        assert "Traceback" not in text
        assert "a-secret" not in text
        assert secs < SOON_SECS, (arguments, secs)


def test_who_says_no_is_not_silent_and_who_is_silent_is_named_without_a_password(broker: Broker, silent: str) -> None:
    began = time.monotonic()
    assert who_is_silent([broker.url, f"redis://127.0.0.1:{free_port()}/0"]) == []
    assert time.monotonic() - began < ANSWER_SECS
    assert who_is_silent([broker.url, silent.replace("//", "//me:secret@")]) == [silent]


@pytest.mark.parametrize("command", [["queues"], ["dead", "list"], ["sweeps", "list"]])
def test_help_asks_nobody(silent: str, command: list[str]) -> None:
    assert mgw(*command, "--help", environ={**os.environ, "REDIS_URL": silent}).returncode == 0
