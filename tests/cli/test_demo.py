"""The demo keeps every word of odd conversations, and whatever ends it, no process stays."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from redis import Redis
from support.forked import mgw
from support.our_app import KEYS
from support.waiting import LONGEST_SECS, until

MGW = ("-m", "memory_graph_workers.cli")
ODD_TEXTS = [
    "",
    " \n\t ",
    "שלום עולם",
    "👩‍👩‍👧‍👦🇨🇭",
    "a\u202eb\u2066c\u2069",
    "\x01\x1b[31m\x7f",
    "e\u0301 \ufeff\ufffd\U0010ffff",
    '{"a": "\\"}',
]
ODD_IDS = ["meta-llama/Llama-3-8B", "gpt-3.5-turbo:20230327", "модель?x=1#y%2F", "a b&c=d;e", "模型/🙂"]


ASK = (
    "from memory_graph_workers.clients.registry import RegistryClient, RegistryConfig;"
    "print(RegistryClient(RegistryConfig.from_env()).get_session('hello-1'))"
)


def conversation(number):
    turns = [(role, ODD_TEXTS[(number + turn) % len(ODD_TEXTS)]) for turn in range(3) for role in ("user", "assistant")]
    said = [("system", "Be odd."), *turns, ("tool", "42"), ("tool", "43"), ("assistant", "So it is."), ("user", "Ta.")]
    return {
        "conversation_id": f"{number}/ü:{ODD_IDS[number % 5]}",
        "model_id": ODD_IDS[number % 5],
        "messages": [{"role": role, "content": content} for role, content in said[number % 3 and 2 :]],
    }


@pytest.fixture
def odd_file(tmp_path):
    path = tmp_path / "odd conversations.jsonl"
    path.write_text("\n".join(json.dumps(conversation(number)) for number in range(24)))
    return path


@pytest.fixture
def environ_of_a_real_deployment(monkeypatch):
    for name in ("REGISTRY_URL", "VAULT_URL", "CELERY_BROKER_URL", "REDIS_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://production.invalid")


@pytest.fixture
def private(tagged, tmp_path, monkeypatch):
    directory = tmp_path / tagged.tag
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


@pytest.mark.usefixtures("environ_of_a_real_deployment", "private")
def test_odd_conversations_are_archived_word_for_word_in_spite_of_the_faults_and_nothing_stays_behind(tagged, odd_file):
    with tagged.start(*MGW, "demo", "--json", "--conversations", odd_file) as demo:
        printed, complaints = demo.communicate(timeout=LONGEST_SECS)
    assert (demo.returncode, complaints) == (0, "")
    figures = json.loads(printed)
    assert (figures["sessions"], figures["registered"], figures["usage_reports"]) == (24, 24, 24 * 4)
    assert figures["due"] == figures["archived"] == figures["verified"] == 16
    names = ("mismatched", "missing", "duplicated", "not_due_archived", "usage_mismatched")
    assert not any(figures[name] for name in names)
    assert figures["killed_workers"] == 1
    assert figures["redelivered_tasks"] == figures["interrupted_tasks"]
    assert figures["vault_away_secs"] > 0
    assert not tagged.alive()


@pytest.mark.usefixtures("private")
def test_a_calm_demo_breaks_nothing_and_tells_the_journey_of_one_conversation_in_order(tagged, odd_file):
    with tagged.start(*MGW, "demo", "--calm", "--conversations", odd_file) as demo:
        printed, complaints = demo.communicate(timeout=LONGEST_SECS)
    assert (demo.returncode, complaints) == (0, "")
    told = [line.partition(f"{conversation(0)['conversation_id']}: ")[2] for line in printed.splitlines()]
    stages = [re.match(r"\w+( usage reports counted| back)?", text)[0] for text in told if text]
    assert stages == ["registered", "4 usage reports counted", "completed", "found", "archived", "read back"]
    assert "SIGKILL" not in printed
    assert "taken away" not in printed
    assert "\n16 archived, 0 lost, 0 duplicated\n" in printed


def test_work_of_the_killed_worker_that_never_comes_back_fails_the_demo(tagged, private, odd_file):
    with tagged.start(*MGW, "demo", "--conversations", odd_file) as demo:
        told = []
        for line in demo.stdout:
            told.append(line)
            if "SIGKILL, while it ran" in line:
                forget_in_flight(private)
        assert demo.wait(LONGEST_SECS) == 1, "".join(told)
        assert "stuck at" in demo.stderr.read()
    assert not any("archived, 0 lost" in line for line in told)


def forget_in_flight(private):
    """Lose what the dead worker had taken; what the other one has is done all the same."""
    [config] = private.glob("mgw-*/broker/valkey.conf")
    words = config.read_text().split()
    port, password = (words[words.index(name) + 1] for name in ("port", "requirepass"))
    with Redis(port=int(port), password=password) as redis:
        assert redis.delete(KEYS.unacked, KEYS.unacked_index)


@pytest.fixture
def running_demo(tagged, private, odd_file):
    with tagged.start(*MGW, "demo", "--conversations", odd_file, stdout=subprocess.DEVNULL) as demo:
        until(lambda: any("producer" in command for command in tagged.alive().values()))
        assert any("valkey" in command or "redis" in command for command in tagged.alive().values())
        yield demo
        demo.kill()


def test_a_demo_killed_outright_leaves_no_process_and_no_file(tagged, private, running_demo):
    running_demo.kill()
    running_demo.wait()
    assert tagged.all_gone(), tagged.alive()
    assert list(private.iterdir()) == []


def test_a_demo_whose_watcher_was_killed_still_cleans_up(tagged, private, running_demo):
    os.kill(next(number for number, command in tagged.alive().items() if "watcher.py" in command), signal.SIGKILL)
    running_demo.send_signal(signal.SIGINT)
    assert running_demo.wait(LONGEST_SECS) == 130
    assert tagged.all_gone(), tagged.alive()
    assert list(private.iterdir()) == []


def test_secrets_are_in_the_owners_directory_and_on_no_command_line_and_ctrl_c_ends_all_in_order(
    tagged, private, running_demo
):
    [directory] = private.iterdir()
    password = (directory / "broker" / "valkey.conf").read_text().partition("requirepass ")[2].split()[0]
    assert not [command for command in tagged.alive().values() if password in command]
    assert directory.stat().st_mode & 0o777 == 0o700
    os.killpg(running_demo.pid, signal.SIGINT)
    assert running_demo.wait(LONGEST_SECS) == 130
    assert tagged.all_gone(), tagged.alive()
    assert list(private.iterdir()) == []


def test_a_part_that_dies_ends_the_demo_with_its_last_words(tagged, private, running_demo):
    vault = next(number for number, command in tagged.alive().items() if "services vault" in command)
    os.kill(vault, signal.SIGKILL)
    assert running_demo.wait(LONGEST_SECS) == 1
    assert "The vault was killed by SIGKILL" in running_demo.stderr.read()
    [logs] = private.iterdir()
    assert (logs / "vault.log").exists()


@contextmanager
def dev(tagged, directory):
    with tagged.start(*MGW, "dev", "--data", directory) as process:
        printed = iter(process.stdout.readline, "Ready. Ctrl-C stops everything.\n")
        yield next(text for text in list(printed) if text.startswith("  . "))
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_SECS) == 143
    assert not tagged.alive()


def shell(command):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=LONGEST_SECS, check=True
    ).stdout


def test_what_dev_prints_to_enqueue_works_as_it_is_its_data_lasts_and_a_second_stack_there_is_refused(tagged, tmp_path):
    directory = tmp_path / f"it's in {tagged.tag}"
    with dev(tagged, directory) as enqueue:
        assert "hello-1" in shell(enqueue)
    with dev(tagged, directory) as enqueue:
        environ = enqueue.partition("&&")[0]
        assert "hello-1" in shell(f"{environ} && {shlex.join([sys.executable, '-c', ASK])}")
        second = mgw("dev", "--data", str(directory), environ=os.environ)
    assert second.returncode == 2
    assert "Another stack runs" in second.stderr
