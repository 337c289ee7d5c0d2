"""Services that break off, fail, or want to be left alone for a while."""

import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from faults.fleet import ARCHIVAL, HEALTH, REGISTRY, VAULT, Fleet, until
from faults.matrix import Row
from faults.proxy import answers, cuts_after, cuts_before, delays, drips, halves, hangs

ASKED_SECS = 2.0
DOWN_SECS, SETTLING_SECS, BACK_SECS = 90.0, 30.0, 30.0
VAULT_DEADLINE_SECS = 8
PACE_SECS, LEAST_SHARE = 0.1, 0.8


def breaks_off(fleet: Fleet, row: Row, off: str = "") -> None:
    for proxy in (fleet.registry, fleet.vault):
        for name, step in {"before": cuts_before, "after": cuts_after, "half": halves}.items():
            proxy.plays(name, step, share=0.034)
    fleet.start_workers(off=off)
    fleet.work()
    row.judge(fleet, secs=240)
    row.runs = (fleet.registry.played() + fleet.vault.played()).total()
    row.demand(row.runs > 200, f"only {row.runs} calls were cut")


def test_connections_that_break_off(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "cut after the request, before the response, on 10 % of calls",
        "usage totals and archive counts exact",
        "proxy: a third each before the request, before the response, in the middle of the response; runs = cuts",
        11,
    )
    breaks_off(fleet(), one)
    one.must_hold()


def fails_now_and_then(fleet: Fleet, row: Row, off: str = "") -> None:
    busy = {"500": answers(500)}
    busy |= {status: answers(int(status), Retry_After=f"{ASKED_SECS:.0f}") for status in ("503", "429")}
    for proxy in (fleet.registry, fleet.vault):
        for name, step in busy.items():
            proxy.plays(name, step, share=0.017)
    fleet.start_workers(off=off)
    fleet.work()
    row.judge(fleet)
    row.runs = (fleet.registry.played() + fleet.vault.played()).total()
    row.demand(row.runs > 100, f"only {row.runs} calls failed")
    soonest = min(waits(fleet), default=ASKED_SECS)
    row.demand(soonest >= ASKED_SECS, f"asked again after {soonest:.2f} s, not {ASKED_SECS:.0f} s")


def waits(fleet: Fleet) -> list[float]:
    """Seconds from each answer that asked for a wait to the next request that is the same."""
    found: list[float] = []
    for proxy in (fleet.registry, fleet.vault):
        requests = proxy.seen("POST /api/v1/usage|PUT |GET /api/v1/sessions/")
        alike: dict[tuple[str, str, str, bytes], list[tuple[float, str]]] = {}
        for seen in requests:
            alike.setdefault((seen.method, seen.path, seen.key, seen.body), []).append((seen.at, seen.fault))
        found += [
            later - earlier
            for times in alike.values()
            for (earlier, fault), (later, _) in pairwise(times)
            if fault in ("503", "429")
        ]
    return found


def test_errors_now_and_then(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "5 % random 500, 503 with Retry-After, 429",
        "all done; no retry sooner than the server asked",
        "proxy; Retry-After of 2 s; runs = such responses",
        12,
    )
    fails_now_and_then(fleet(), one)
    one.must_hold()


def takes_down(fleet: Fleet, row: Row, name: str, off: str = "") -> None:
    """Take a service away for 90 s in the middle of a sweep; see what is spent and what grows meanwhile."""
    workers = fleet.start_workers(off=off)
    fleet.report_usage(2000)
    fleet.sweep()
    until(lambda: fleet.effects().archives.total() > 20, 60, "a sweep under way")
    row.demand(not fleet.swept(), "the sweep was over before the service was away")
    proxy = {"registry": fleet.registry, "vault": fleet.vault}.get(name)
    since = time.monotonic()
    if proxy:
        proxy.refuse()
    fleet.stack.kill_server(name)
    time.sleep(SETTLING_SECS)
    spent, memory = fleet.attempts_spent(), [fleet.memory_bytes(worker) for worker in workers]
    time.sleep(since + DOWN_SECS - time.monotonic())
    more = fleet.attempts_spent() - spent
    row.demand(not more, f"{more} attempts spent while held")
    for worker, before in zip(workers, memory, strict=True):
        grown = fleet.memory_bytes(worker) / before
        row.demand(0.9 <= grown <= 1.1, f"worker memory went to {grown:.0%}")
    if name != "registry":
        left = len(fleet.reports) - fleet.effects().usage.total()
        row.demand(not left, f"{left} reports of another queue were not done meanwhile")
    fleet.stack.launch_again(name, wait=True)
    if proxy:
        proxy.accept()
    back = time.monotonic()
    until(lambda: _goes_on(fleet, name, back), 120, "work goes on")
    row.recovered(time.monotonic() - back, BACK_SECS)
    row.judge(fleet, secs=240)


def _goes_on(fleet: Fleet, name: str, since: float) -> bool:
    proxy = fleet.registry if name == "registry" else fleet.vault
    return any(seen.at > since for seen in proxy.seen("POST|PUT")) or fleet.is_idle()


@pytest.mark.waits
@pytest.mark.parametrize(("name", "place"), [("vault", 9.1), ("registry", 9.2), ("memory-graph", 9.3)])
def test_a_service_that_is_down(fleet: Callable[..., Fleet], row: Callable[..., Row], name: str, place: float) -> None:
    one = row(
        f"{name} down 90 s in the middle of a sweep",
        "held, resumed, done; no dead letters, no attempts spent while held; worker memory flat (± 10 %)",
        f"SIGKILL, and its port closed; attempts and memory compared {SETTLING_SECS} s after and at the end",
        place,
    )
    takes_down(fleet(), one, name)
    one.must_hold()


def slows_down(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let the vault be slow, drip and hang while reports go on; compare how fast these are done."""
    fleet.start_workers(1, off=off, queues=[ARCHIVAL, VAULT])
    fleet.start_workers(1, off=off, queues=[REGISTRY, HEALTH])
    fleet.registry.plays("paced", delays(PACE_SECS), on="POST /api/v1/usage")  # else the processors would decide
    fleet.report_usage(2000)
    usual = _reports_a_sec(fleet)
    fleet.sweep()
    for name, step in {"slow": delays(5), "drips": drips(0.1), "hangs": hangs}.items():
        fleet.vault.heals()
        fleet.vault.plays(name, step)
        share = _reports_a_sec(fleet) / usual
        row.demand(share > LEAST_SHARE, f"a vault that {name} left other queues {share:.0%} of their throughput")
    for proxy in (fleet.vault, fleet.registry):
        proxy.heals()
    row.runs = 3
    row.judge(fleet, secs=240)
    longest = max(_vault_secs(fleet), default=0)
    row.demand(longest < VAULT_DEADLINE_SECS + 1, f"a call of the vault took {longest:.1f} s")
    row.demand(longest > VAULT_DEADLINE_SECS - 1, f"no call of the vault reached its deadline ({longest:.1f} s)")


def _reports_a_sec(fleet: Fleet) -> float:
    """How fast reports are done; longer than a call of the vault may take."""
    done, since = fleet.effects().usage.total(), time.monotonic()
    time.sleep(VAULT_DEADLINE_SECS + 4)
    return (fleet.effects().usage.total() - done) / (time.monotonic() - since)


def _vault_secs(fleet: Fleet) -> list[float]:
    """How long each call of the vault took, as the workers' logs have it."""
    logs = "".join(worker.log.read_text(errors="replace") for worker in fleet.workers)
    return [int(found) / 1000 for found in re.findall(r'"service": "vault"[^\n]*"duration_ms": (\d+)', logs)]


def test_a_vault_that_is_slow(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "Vault responding slowly (5 s), dripping, hanging",
        "deadline kept; other queues' throughput unchanged",
        f"a worker for archival and vault, one for registry; VAULT_TIMEOUT_SECS {VAULT_DEADLINE_SECS}; "
        f"reports paced at {PACE_SECS} s each; unchanged: at least {LEAST_SHARE:.0%} of what it was without",
        10,
    )
    slows_down(fleet(VAULT_TIMEOUT_SECS=str(VAULT_DEADLINE_SECS)), one)
    one.must_hold()
