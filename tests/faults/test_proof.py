"""Would the matrix notice? Each mechanism is switched off, and the row that is about it must fail for that reason."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from faults.fleet import Fleet
from faults.matrix import Row
from faults.test_machine import shifts_clocks
from faults.test_messages import doubles_messages
from faults.test_services import breaks_off, takes_down
from faults.test_workers import kills_children

pytestmark = pytest.mark.proof

# The switch, the row, and what it must complain of.
SWITCHES: dict[str, tuple[Callable[..., None], str]] = {
    "lease": (shifts_clocks, "were started again while they ran"),
    "loss_counter": (kills_children, "was not given up after 3 losses"),
    "held_queues": (partial(takes_down, name="vault"), "attempts spent while held"),
    "idempotency_key": (breaks_off, " twice"),
    "page_ids": (doubles_messages, "the sweep says"),
    "result_once": (doubles_messages, "the sweep says"),
}


@pytest.mark.parametrize("off", SWITCHES)
def test_a_row_fails_without_its_mechanism(fleet: Callable[..., Fleet], row: Callable[..., Row], off: str) -> None:
    scenario, complaint = SWITCHES[off]
    one: Any = row(f"without {off}", "the row fails", "", list(SWITCHES).index(off))
    one.off = off
    scenario(fleet(), one, off=off)
    assert any(complaint in said for said in one.complaints), one.complaints
