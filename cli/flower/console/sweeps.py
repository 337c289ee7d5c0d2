"""The pages about archival sweeps: the newest ones, one of them, pause and resume."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from tornado.web import HTTPError

from ....schemas.fields import parse_timestamp
from ....tasks.archival.state import Status, sweeps
from ...sweep import summary
from ...terminal.plain import plain
from ...terminal.wording import ago, duration
from .page import Page
from .tables import Link, Table, path_of

_NEWEST = 20
_MOST_REASONS = 200  # on a page; `mgw sweeps show` has up to 1,000 of each
_COLUMNS = ["Sweep", "Started", "Trigger", "State", "Listed", "Archived", "Failed", "Skipped", "Batches", "Reason"]


@dataclass(frozen=True)
class Shown:
    """A sweep's figures; `batches` and `pending` sessions are those without a result."""

    figures: dict[str, Any]
    batches: int
    pending: int

    @property
    def listed(self) -> int:
        """The sessions that it has listed so far, to archive them."""
        return self.figures["total_processed"] + self.pending


@dataclass(frozen=True)
class Details:
    """One sweep, with the first reasons why sessions were not archived, and rows of the listing that had faults."""

    shown: Shown
    reasons: list[tuple[str, str]]
    rows: list[tuple[str, str]]


class SweepsPage(Page):
    """GET shows the newest sweeps; POST pauses sweeps, or resumes them."""

    tab: ClassVar[str] = "sweeps"
    said: ClassVar[Mapping[str, str]] = {
        "pause": "Sweeps are paused. A running one ends after its batches in flight.",
        "resume": "Sweeps are resumed; the next one starts when it is due.",
    }

    async def get(self) -> None:
        """Show whether sweeps are paused, and the newest ones."""
        reading = await self.read("sweeps", _newest)
        paused, found = reading.value or (False, [])
        table = Table("The newest sweeps", _COLUMNS, [_row(one) for one in found])
        self.show("sweeps.html", "Sweeps", reading, table=table, paused=paused)

    async def post(self) -> None:
        """Pause or resume."""
        action = self.one_of("action", {name: name for name in self.said})
        await self.act(action, "sweeps", sweeps().pause if action == "pause" else sweeps().resume)
        self.back("/sweeps", action)


class SweepPage(Page):
    """GET shows one sweep."""

    tab: ClassVar[str] = "sweeps"

    async def get(self, sweep_id: str) -> None:
        """Show its figures, and why sessions were not archived.

        Raises: HTTPError (404) if there is none.
        """
        try:
            reading = await self.read(f"sweep {sweep_id}", lambda: _details(sweep_id))
        except KeyError:
            raise HTTPError(HTTPStatus.NOT_FOUND, f"There is no sweep {plain(sweep_id)}.") from None
        tables = _tables(reading.value) if reading.value else []
        self.show("tables.html", f"Sweep {plain(sweep_id)}", reading, tables=tables)


def _newest() -> tuple[bool, list[Shown]]:
    state = sweeps()
    return state.paused(), [_shown(sweep.sweep_id) for sweep in state.newest(_NEWEST)]


def _shown(sweep_id: str) -> Shown:
    figures = summary(sweep_id)
    running = figures["status"] == Status.RUNNING
    pending = sweeps().pending_batches(sweep_id) if running else {}
    return Shown(figures, len(pending), sum(map(len, pending.values())))


def _details(sweep_id: str) -> Details:
    state, shown = sweeps(), _shown(sweep_id)
    reasons = [*state.failures(sweep_id).items(), *state.skipped(sweep_id).items()]
    return Details(shown, reasons[:_MOST_REASONS], list(state.get(sweep_id).row_faults.named.items()))


def _row(one: Shown) -> list[Any]:
    figures = one.figures
    counts = [one.listed, *(figures[f"{name}_count"] for name in ("archived", "failed", "skipped")), one.batches]
    sweep_id, started = figures["sweep_id"], ago(parse_timestamp(figures["started_at"]))
    return [
        Link(sweep_id, path_of("sweeps", "sweep", sweep_id)),
        started,
        figures["trigger"],
        figures["status"],
        *(f"{count:,}" for count in counts),
        figures["reason"],
    ]


def _tables(found: Details) -> list[Table]:
    figures = found.shown.figures
    facts = {
        "state": figures["status"],
        "reason": figures["reason"],
        "trigger": figures["trigger"],
        "started": figures["started_at"],
        "took, or takes so far": duration(figures["duration_ms"] / 1000),
        "sessions listed": f"{found.shown.listed:,}",
        **{name: f"{figures[f'{name}_count']:,}" for name in ("archived", "failed", "skipped")},
        "sessions without a result": f"{found.shown.pending:,}",
        "batches in flight": f"{found.shown.batches:,}",
        "rows of the listing that could not be read": f"{figures['unreadable_rows']:,}",
        "sessions of unknown status": f"{figures['unknown_statuses']:,}",
    }
    tables = [Table("Figures", ["", ""], [pair for pair in facts.items() if pair[1] is not None])]
    if found.reasons:
        count = figures["failed_count"] + figures["skipped_count"]
        caption = f"Sessions that were not archived: {len(found.reasons):,} of {count:,}"
        tables.append(Table(caption, ["Session", "Reason"], found.reasons))
    if found.rows:
        tables.append(Table("Rows of the Registry's listing that had faults", ["Row", "Problem"], found.rows))
    return tables
