"""Archives that are stored under their policy in one request: workers and capabilities that go in between."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from faults.fleet import ARCHIVAL, TIMEOUT_SECS, Fleet, until
from faults.matrix import Row
from faults.proxy import HEAD_END, Exchange, answers, delays, passes, rewrites

STORE, MARK = "POST /api/v1/archive/batch$", "PUT /api/v1/sessions/status$"
NAMED = b'"policy_id"'
KILLS = 3


async def _knows_no_policy(exchange: Exchange) -> None:
    """What a vault from before says of entries that have one field more."""
    entries = json.loads(exchange.request.partition(HEAD_END)[2])
    failed = [{"session_id": one["session_id"], "error": "invalid: policy_id"} for one in entries]
    body = {"archived": [], "failed": failed, "total": len(entries), "success_count": 0}
    await answers(200, json.dumps(body).encode())(exchange)


def _without_policies(health: dict[str, Any]) -> dict[str, Any]:
    able = {name: facts for name, facts in health["capabilities"].items() if name != "archive_policy"}
    return {**health, "capabilities": able}


def _is_from_before(fleet: Fleet) -> None:
    fleet.vault.heals()
    fleet.vault.plays("says nothing", rewrites(_without_policies), on="GET /health$")
    fleet.vault.plays("refused", _knows_no_policy, on=STORE, about=NAMED)


def _is_of_today(fleet: Fleet) -> None:
    fleet.vault.heals()
    fleet.vault.plays("placed", passes, on=STORE, about=NAMED)


def _start_anew(fleet: Fleet) -> None:
    """Let every worker read /health again."""
    for worker in [one for one in fleet.workers if one.is_alive]:
        fleet.kill(worker)
    fleet.start_workers()


def _demand_policies(row: Row, fleet: Fleet) -> None:
    query = "SELECT count(*), count(policy_id), count(DISTINCT policy_id) FROM archives"
    with closing(sqlite3.connect(fleet.stack.directory / "vault.db")) as database:
        archives, placed, policies = database.execute(query).fetchone()
    row.demand(archives == placed, f"{archives - placed} archives are under no policy")
    row.demand(policies == 1, f"{policies} policies, not 1")


def test_a_vault_that_loses_and_gains_policies(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a Vault that takes no policy with an archive, then does (an upgrade), then does not (a rollback), under load",
        "each session archived once, under its policy, and marked",
        "a proxy refuses the field and hides it in /health, in turns, during a sweep; workers start again to upgrade",
        49,
    )
    these = fleet(ARCHIVAL_BATCH_SIZE="5", ARCHIVAL_MOST_BATCHES="1")
    _is_from_before(these)
    these.start_workers()
    these.sweep()
    until(lambda: these.effects().archives.total() > 10, 90, "archives are stored and placed in two requests")
    _is_of_today(these)
    _start_anew(these)
    until(lambda: these.vault.played()["placed"] > 2, 90, "archives are placed with their storing")
    _is_from_before(these)
    until(lambda: these.vault.played()["refused"], 60, "a worker notices the rollback")
    one.judge(these, secs=240)
    _demand_policies(one, these)
    one.must_hold()


@pytest.mark.short
def test_workers_killed_between_storing_and_marking(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "SIGKILL of workers between the request that stores and places, and the one that marks",
        "each session archived once, under its policy, and marked; none is placed by itself",
        f"marking takes a second, {KILLS} kills in it; visibility timeout {TIMEOUT_SECS} s; runs = kills",
        50,
    )
    these = fleet(ARCHIVAL_BATCH_SIZE="20")
    these.registry.plays("slow", delays(1.0), on=MARK)
    these.vault.plays("placed", passes, on=STORE, about=NAMED)
    these.start_workers(1)
    these.send("archival.create_standard_policy", ARCHIVAL, retention_days=365)
    until(these.is_idle, 60, "the policy is made")
    these.sweep()
    for _ in range(KILLS):
        before = these.vault.played()["placed"]
        until(lambda: these.vault.played()["placed"] > before, 90, "a batch is stored")  # noqa: B023
        time.sleep(0.1)
        these.kill(these.workers[-1])
        these.start_workers(1)
    one.runs = KILLS
    one.judge(these, secs=240)
    _demand_policies(one, these)
    alone = len(these.vault.seen("PUT /api/v1/archive/"))
    one.demand(not alone, f"{alone} archives were placed by themselves")
    one.must_hold()
