"""Would the matrix notice? Each mechanism is switched off, and the row that is about it must fail for that reason."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from faults.fleet import HERE, Fleet
from faults.matrix import Row
from faults.test_doors import hangs_at_doors
from faults.test_listing import goes_in_a_circle, spoils_rows, tells_wrong_totals
from faults.test_machine import shifts_clocks
from faults.test_messages import doubles_messages, unpacks_bombs
from faults.test_one_bad_item import asks_for_a_poisoned_model, spoils_two
from faults.test_redis_refuses import fails_over
from faults.test_services import breaks_off, takes_down
from faults.test_sweep import outlives_redis
from faults.test_workers import kills_children, kills_while_waiting

UNSEEN = Row("", "", "")  # the second row of a scenario that has two
# The switch, the row, what it must complain of, and the fleet's settings.
SWITCHES: dict[str, tuple[Callable[..., None], str, dict[str, str]]] = {
    "lease": (shifts_clocks, "were started again while they ran", {}),
    "loss_counter": (kills_children, "was not given up after 3 losses", {}),
    "held_queues": (partial(takes_down, name="vault"), "attempts spent while held", {}),
    "idempotency_key": (breaks_off, " twice", {}),
    "page_ids": (doubles_messages, "the sweep says", {}),
    "result_once": (doubles_messages, "the sweep says", {}),
    "dropped_connections": (partial(fails_over, at_start=UNSEEN), "a worker did not live on", {}),
    "patient_beat": (outlives_redis, "a beat did not live on", {"ARCHIVAL_INTERVAL_HOURS": "0.005"}),
    "own_outcome": (partial(spoils_two, in_vault=UNSEEN), "the sweep says", {"TASK_MAX_ATTEMPTS": "3"}),
    "parting_of_batches": (partial(spoils_two, in_vault=UNSEEN), "the sweep says", {"TASK_MAX_ATTEMPTS": "3"}),
    "request_count": (asks_for_a_poisoned_model, "queues were held", {"TASK_MAX_ATTEMPTS": "3"}),
    "readable_rows": (spoils_rows, "the sweep says", {}),
    "full_pages": (tells_wrong_totals, "the sweep says", {}),
    "landmarks": (goes_in_a_circle, "work was not over", {}),
    "bounded_bodies": (unpacks_bombs, "memory grew", {}),
    "waiting_in_redis": (kills_while_waiting, "lost workers are counted", {}),
    "reception": (hangs_at_doors, "a service did not answer to /health", {}),
}


@pytest.mark.proof
@pytest.mark.parametrize("off", SWITCHES)
def test_a_row_fails_without_its_mechanism(fleet: Callable[..., Fleet], row: Callable[..., Row], off: str) -> None:
    scenario, complaint, settings = SWITCHES[off]
    one: Any = row(f"without {off}", "the row fails", "", list(SWITCHES).index(off))
    one.off = off
    scenario(fleet(**settings), one, off=off)
    assert any(complaint in said for said in one.complaints), one.complaints


@pytest.mark.short
def test_every_switch_still_finds_its_mechanism() -> None:
    """Each in a process of its own, as a worker applies it; this one keeps its mechanisms."""
    environ = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    for off in SWITCHES:
        app = "service_app" if off == "reception" else "worker_app"
        switching = f"from faults import {app}; {app}.SWITCHES[{off!r}]()"
        found = subprocess.run([sys.executable, "-c", switching], env=environ, capture_output=True)
        assert found.returncode == 0, f"{off}: {found.stderr.decode()}"
