"""Clocks that are wrong, and a disk that is full."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from faults.fleet import Fleet, until
from faults.matrix import Row
from faults.proxy import delays
from memory_graph_workers.schemas.fields import parse_timestamp

OFF_SECS = 300
DISK_BYTES = 24 * 2**20
FULL_SECS = 10
BATCHES = "POST /api/v1/archive/batch"
REAL_MONOTONIC = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def shifts_clocks(fleet: Fleet, row: Row, off: str = "") -> None:
    """Run a worker five minutes ahead and one as much behind, beside a right one, with work beyond the timeout."""
    fleet.vault.plays("slow", delays(12), on=BATCHES, times=4)
    fleet.start_worker(off=off)
    for shift in (OFF_SECS, -OFF_SECS):
        fleet.start_worker("faketime", "-f", f"{shift:+d}s", off=off, **REAL_MONOTONIC)
    for worker in fleet.workers:
        fleet.wait_ready(worker)
    asked = datetime.now(UTC)
    fleet.work()
    row.judge(fleet)
    sent = [seen.key.partition(":")[0] for seen in fleet.vault.seen(BATCHES)]  # the batch's task; its body may differ
    row.runs = len(sent)
    row.demand(len(sent) == len(set(sent)), f"{len(sent) - len(set(sent))} batches were started again while they ran")
    cutoff = parse_timestamp(fleet.sweep_field("cutoff"))
    wrong = abs((cutoff - (asked - timedelta(days=30))).total_seconds())
    row.demand(wrong < OFF_SECS + 60, f"the sweep's cutoff is off by {wrong:.0f} s")
    warned = _warnings(fleet)
    row.demand(any("clock" in name for name in warned), f"doctor warns of {warned}")


def _warnings(fleet: Fleet) -> list[str]:
    """What `mgw doctor`, run under the wrong clock, does not find well."""
    command = ["faketime", "-f", f"+{OFF_SECS}s", "mgw", "doctor", "--json"]
    environ = {
        **fleet.stack.child_environ(),
        **REAL_MONOTONIC,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    return [found["check"] for found in json.loads(done.stdout)["findings"] if found["state"] != "ok"]


def test_clocks_five_minutes_off(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a worker's clock 5 minutes off, either way",
        "no running task is started again; the sweep's cutoff is off by no more than those minutes; doctor reports it",
        "libfaketime: one worker ahead, one behind, one correct; batches of 12 s, visibility timeout 5 s; "
        "runs = batches",
        16,
    )
    if shutil.which("faketime") is None:
        one.impossible = "it needs faketime (apt install faketime)"
        return
    shifts_clocks(fleet(), one)
    one.must_hold()


def fills_the_disk(fleet: Fleet, row: Row, disk: Path) -> None:
    """Fill the disk under Registry and Vault in the middle of a sweep, and make room again."""
    workers = fleet.start_workers()
    fleet.work()
    until(lambda: fleet.effects().usage.total() > 20 and fleet.vault.seen(BATCHES), 60, "work under way")
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    time.sleep(FULL_SECS)
    logs = [fleet.part(name).child.log.read_text() for name in ("registry", "vault")]
    row.demand('"status": 503' in "".join(logs), "no service said that it could not write")
    ballast.unlink()
    since = time.monotonic()
    before = fleet.effects().usage.total()
    until(lambda: fleet.effects().usage.total() > before + 20, 120, "work goes on")
    row.recovered(time.monotonic() - since, 75)
    row.judge(fleet)
    for name in ("registry", "vault"):
        row.demand(_is_sound(fleet.stack.directory / f"{name}.db"), f"the database of the {name} is damaged")
    row.demand(all(worker.is_alive for worker in workers), "a worker did not live on")


def _is_sound(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        answer: Any = connection.execute("PRAGMA integrity_check").fetchone()
        return answer == ("ok",)


@pytest.mark.disk(DISK_BYTES)
def test_a_full_disk(fleet: Callable[..., Fleet], row: Callable[..., Row], small_disk: Path | None) -> None:
    one = row(
        "disk full under the services",
        "clear error, no corruption, goes on when there is room",
        f"a tmpfs of {DISK_BYTES // 2**20} MB under the databases of Registry and Vault, filled for {FULL_SECS} s",
        19,
    )
    if small_disk is None:
        one.impossible = "this user may not mount a file system (root may)"
        return
    fills_the_disk(fleet(disk=small_disk), one, small_disk)
    one.must_hold()
