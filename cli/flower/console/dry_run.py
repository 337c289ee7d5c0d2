"""The dry run of a sweep as a table: what a sweep would archive now, found without changing anything.

It asks the Registry and reads conversations from the graph, so it needs the workers' settings in Flower's environment.
It ends when it is done, when the browser goes away, or at a limit.
"""

import threading
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from contextlib import closing
from http import HTTPStatus
from typing import Any, ClassVar, cast

from tornado.web import HTTPError

from ....clients.errors import InvalidConfig
from ....tasks.archival.preview import Candidate, candidates
from ....tasks.archival.row_faults import RowFaults
from ...terminal.wording import counted
from ...threads import Shared
from .page import Page
from .reading import ended, why_it_broke_off
from .tables import Table

LIMIT_SECS = 30.0
MOST_SESSIONS = 500
_COLUMNS = ["Session", "Model", "Why it is due", "Bytes", "Problem"]
_NO_SETTINGS = (
    "This Flower does not know the services. Start it with the settings of the workers (REGISTRY_URL, VAULT_URL, "
    "MEMORY_GRAPH_URL and their keys), or run: mgw sweep --dry-run"
)


class DryRun:
    """One dry run: what it has found so far, and how it ended."""

    def __init__(self) -> None:
        self.found: list[Candidate] = []
        self.faults: list[RowFaults] = []
        self.problem = ""
        self._stopped = threading.Event()
        self.running: Future[None] = Shared(self._run).start()

    def stop(self) -> None:
        """Let it end at the next session."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            with closing(cast("Generator[Candidate]", candidates(self.faults))) as walk:
                for item in walk:
                    if self._stopped.is_set():
                        break
                    self.found.append(item)
                    if len(self.found) >= MOST_SESSIONS:
                        self.problem = f"Only the first {MOST_SESSIONS} sessions are listed."
                        break
        except InvalidConfig as error:
            self.problem = f"{_NO_SETTINGS}\n{error}"
        except Exception as error:  # noqa: BLE001  the page says what went wrong
            self.problem = why_it_broke_off(error)


class DryRunPage(Page):
    """GET explains the dry run; POST makes one, and shows what it found."""

    tab: ClassVar[str] = "sweeps"
    said: ClassVar[Mapping[str, str]] = {}
    _under_way: ClassVar[DryRun | None] = None  # one at a time in a process: it reads many conversations

    def get(self) -> None:
        """Explain it."""
        self.show("dry_run.html", "Dry run of a sweep", run=None, table=None, text="", limit=LIMIT_SECS)

    async def post(self) -> None:
        """Run it, as long as the browser waits.

        Raises: HTTPError (409) while another one runs.
        """
        run = self._begun()
        self.note("dry run", "sweep", "started")
        self._own = run
        if not await ended(run.running, LIMIT_SECS):
            run.stop()
            run.problem = run.problem or f"Stopped after {LIMIT_SECS:g} seconds: more sessions may be due."
        found = list(run.found)
        text = f"{counted(len(found), 'session')}, {counted(sum(one.content_bytes for one in found), 'byte')}."
        table = Table("What a sweep would archive", _COLUMNS, [_row(one) for one in found])
        self.show("dry_run.html", "Dry run of a sweep", run=run, table=table, text=text, limit=LIMIT_SECS)

    def on_connection_close(self) -> None:
        """The browser went away: nobody waits for the rest."""
        super().on_connection_close()
        own: DryRun | None = getattr(self, "_own", None)
        if own is not None:
            own.stop()

    @staticmethod
    def _begun() -> DryRun:
        before = DryRunPage._under_way
        if before is not None and not before.running.done():
            raise HTTPError(HTTPStatus.CONFLICT, "Another dry run is under way. Try again when it has ended.")
        DryRunPage._under_way = DryRun()
        return DryRunPage._under_way


def _row(item: Candidate) -> list[Any]:
    note = f"skipped: {item.skipped}" if item.skipped else item.problem
    return [item.session_id, item.model_id, item.why, f"{item.content_bytes:,}", note]
