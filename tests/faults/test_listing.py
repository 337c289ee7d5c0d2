"""A Registry whose listing is wrong: rows that break the contract, a total that is none, pages that go in a circle."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from faults.fleet import Fleet
from faults.matrix import Row
from faults.proxy import Exchange, Step, answers, rewrites

LISTING = r"GET /api/v1/sessions(\?|$)"
REPORTS = 200
Listing = dict[str, Any]


def spoils_rows(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let three rows break the contract, each in its way; these sessions wait for a sweep that can read them."""
    spoilt: dict[str, Listing] = {
        fleet.sessions[3]: {"status": "paused"},
        fleet.sessions[5]: {"total_tokens": -1},
        fleet.sessions[42]: {"session_id": "s" * 300},
    }

    def spoil(listing: Listing) -> Listing:
        return {**listing, "sessions": [{**one, **spoilt.get(one["session_id"], {})} for one in listing["sessions"]]}

    fleet.registry.plays("rows", rewrites(spoil), on=LISTING)
    fleet.start_workers(off=off)
    fleet.work(REPORTS)
    row.judge(fleet, spared=spoilt, figures={"failed": 0})
    _sweeps_again(fleet, row, len(spoilt))


def breaks_stored_rows(fleet: Fleet, row: Row, off: str = "") -> None:
    """Break three rows in the Registry's own database, each in its way, and then repair them."""
    broken = {
        fleet.sessions[3]: "details = '{'",
        fleet.sessions[5]: "details = '[\"canary\"]'",
        fleet.sessions[42]: "model_id = x'ff'",
    }
    kept = _change(fleet, {session_id: f"SET {change}" for session_id, change in broken.items()})
    fleet.start_workers(off=off)
    fleet.work(REPORTS)
    row.demand(fleet.settles(), f"work was not over ({fleet.state()})")
    faults = json.loads(fleet.sweep_field("rows") or "{}")
    row.demand(faults.get("unreadable") == len(broken), f"the sweep tells of {faults.get('unreadable', 0)} rows")
    row.demand("canary" not in str(faults), "the sweep quotes a row")
    row.judge(fleet, spared=broken, figures={"failed": 0})
    _change(fleet, dict.fromkeys(kept, "SET details = :details, model_id = :model_id"), kept)
    _sweeps_again(fleet, row, len(broken))


def _change(fleet: Fleet, changes: dict[str, str], values: dict[str, Listing] | None = None) -> dict[str, Listing]:
    """Change sessions in the database, and return what their rows held before."""
    found: dict[str, Listing] = {}
    with closing(sqlite3.connect(fleet.stack.directory / "registry.db", timeout=30)) as database:
        for session_id, change in changes.items():
            where = {"session_id": session_id, **(values or {}).get(session_id, {})}
            mine = database.execute("SELECT details, model_id FROM sessions WHERE session_id = :session_id", where)
            found[session_id] = dict(zip(("details", "model_id"), mine.fetchone(), strict=True))
            database.execute(f"UPDATE sessions {change} WHERE session_id = :session_id", where)
        database.commit()
    return found


def tells_wrong_totals(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let the total be that of the page, or nothing at all."""

    def shorten(listing: Listing) -> Listing:
        return {**listing, "total": len(listing["sessions"]) if listing["page"] % 2 else 0}

    fleet.registry.plays("total", rewrites(shorten), on=LISTING)
    fleet.start_workers(off=off)
    fleet.work(REPORTS)
    row.judge(fleet)
    row.runs = fleet.registry.played()["total"]


def goes_in_a_circle(fleet: Fleet, row: Row, off: str = "") -> None:
    """Let a cache answer with the same two pages for ever, under the number that is asked for."""
    kept: dict[int, bytes] = {}

    def turn(asked: int) -> Step:
        async def step(exchange: Exchange) -> None:
            place = asked % 2
            if place not in kept:
                kept[place] = (await exchange.forward()).partition(b"\r\n\r\n")[2]
            body = re.sub(rb'"page": *\d+', b'"page": %d' % asked, kept[place], count=1)
            await answers(200, body)(exchange)

        return step

    async def step(exchange: Exchange) -> None:
        found = re.search(rb"[?&]page=(\d+)", exchange.request)
        await turn(int(found[1]) if found else 1)(exchange)

    fleet.registry.plays("circle", step, on=LISTING)
    fleet.start_workers(off=off)
    fleet.work(REPORTS)
    settled = fleet.settles()
    shown = {one["session_id"] for body in kept.values() for one in json.loads(body)["sessions"]}
    row.demand(settled and len(kept) == 2, f"{len(kept)} pages were listed")
    left = [one for one in fleet.sessions if one not in shown]
    row.judge(fleet, spared=left, figures={"status": "incomplete", "failed": 0})
    why = fleet.sweep_field("reason")
    row.demand("circle" in why, f"the sweep says why: {why!r}")
    row.runs = fleet.registry.played()["circle"]
    _sweeps_again(fleet, row, len(left))


def _sweeps_again(fleet: Fleet, row: Row, left: int) -> None:
    fleet.registry.heals()
    fleet.sweep()
    row.judge(fleet, figures={"archived": left})


def test_a_listing_with_broken_rows(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a Registry whose listing has broken rows",
        "the others are archived; these stay as they are, and the next sweep that can read them archives them",
        "proxy: an unknown status, a count below 0, an id of 300 characters; then healed and swept again",
        38,
    )
    spoils_rows(fleet(), one)
    one.must_hold()


def test_a_registry_with_broken_rows_of_its_own(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "our Registry with rows in its database that it cannot read",
        "the others are archived; the sweep counts these; once they are repaired the next sweep archives them",
        "metadata that is no JSON, or no object, and a model id that is no text; then repaired and swept again",
        38.5,
    )
    breaks_stored_rows(fleet(), one)
    one.must_hold()


def test_a_listing_with_wrong_totals(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a Registry whose listing has a wrong total",
        "every session is found",
        "proxy: in turn the number of rows on this page, and 0; runs = pages",
        39,
    )
    tells_wrong_totals(fleet(), one)
    one.must_hold()


def test_a_listing_that_goes_in_a_circle(fleet: Callable[..., Fleet], row: Callable[..., Row]) -> None:
    one = row(
        "a Registry whose pages go in a circle",
        "the sweep archives what it was shown and ends as incomplete, saying why; the next one archives the rest",
        "proxy: the same two pages for ever; then healed and swept again; runs = pages",
        40,
    )
    goes_in_a_circle(fleet(), one)
    one.must_hold()
