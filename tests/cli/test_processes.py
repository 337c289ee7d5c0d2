"""No process outlives the command that started it, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from memory_graph_workers.cli.stack.processes import Children
from memory_graph_workers.cli.terminal.failure import Failure
from support.waiting import LONGEST_SECS, until

DUMMY_PARENT = Path(__file__).with_name("dummy_parent.py")
DUMMIES = 2 * 4 + 1  # two families of four, and one that ignores TERM


@pytest.fixture
def grace_secs():
    return 1


@pytest.fixture
def parent(tagged, tmp_path, grace_secs):
    logs = tmp_path / "private" / "logs"
    logs.mkdir(parents=True)
    process = tagged.start(DUMMY_PARENT, logs, grace_secs)
    with process:
        assert process.stdout.readline() == "started\n"
        until(lambda: all_dummies_run(logs))
        yield process
        process.kill()


def all_dummies_run(logs):
    return sum(log.read_text().count("on") for log in logs.glob("*.log")) == DUMMIES


def test_a_killed_parent_leaves_no_process(parent, tagged):
    assert len(tagged.alive()) == DUMMIES + 2  # the parent and the watcher
    parent.kill()
    parent.wait()
    assert tagged.all_gone(), tagged.alive()


def test_a_killed_parent_leaves_no_private_directory(parent, tagged, tmp_path):
    parent.kill()
    parent.wait()
    assert tagged.all_gone()
    assert not (tmp_path / "private").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="no kernel elsewhere kills children with their parent")
def test_the_kernel_ends_the_programs_when_parent_and_watcher_are_killed_together(parent, tagged):
    watcher = next(number for number, command in tagged.alive().items() if "watcher.py" in command)
    direct = [number for number, command in tagged.alive().items() if os.getsid(number) == number]
    os.kill(watcher, signal.SIGKILL)
    parent.kill()
    parent.wait()
    until(lambda: not set(direct) & set(tagged.alive()))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_to_the_parent_alone_stops_everything(parent, tagged, number, code):
    parent.send_signal(number)
    assert tagged.all_gone(), tagged.alive()
    assert parent.wait(LONGEST_SECS) == code


@pytest.mark.parametrize("grace_secs", [600])
def test_ctrl_c_twice_does_not_wait_for_a_stubborn_program(parent, tagged):
    os.killpg(parent.pid, signal.SIGINT)
    parent.stdout.readline()
    os.killpg(parent.pid, signal.SIGINT)
    parent.wait(LONGEST_SECS)
    assert tagged.all_gone(), tagged.alive()


def test_programs_stop_in_the_reverse_order_of_their_start(tmp_path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(open({!r}, 'a').write({!r})));"
        "print('on', flush=True); time.sleep(60)"
    )
    with Children(tmp_path) as children:
        for name in "abc":
            child = children.start(name, [sys.executable, "-c", code.format(str(order), name)], os.environ)
            while "on" not in child.log.read_text():
                children.check()
    assert order.read_text() == "cba"


def test_a_program_that_ends_by_itself_is_told_with_its_last_words(tmp_path):
    with Children(tmp_path) as children:
        child = children.start("broken", [sys.executable, "-c", "raise SystemExit('no such port')"], os.environ)
        child.process.wait()
        with pytest.raises(Failure, match=r"broken ended with exit code 1.*\n    no such port"):
            children.check()


def test_a_child_reads_no_terminal_and_holds_no_other_file(tmp_path):
    code = "import os, sys; print(sorted(map(int, os.listdir('/dev/fd'))), sys.stdin.read() == '')"
    with Children(tmp_path) as children:
        child = children.start("curious", [sys.executable, "-c", code], os.environ)
        child.process.wait()
    assert child.log.read_text() in {"[0, 1, 2, 3] True\n", "[0, 1, 2] True\n"}


def test_the_dummies_are_seen(tagged):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=tagged.environ)
    assert len(tagged.alive()) == 1
    sleeper.kill()
    sleeper.wait()
    assert tagged.all_gone()
