"""Which page of the console is at which address."""

from pathlib import Path
from typing import Any

from tornado.routing import URLSpec
from tornado.web import StaticFileHandler

from .bulk_pages import BulkPage, NewBulkPage, NewSinglePage
from .console import Console
from .dead_letters import DeadLettersPage, LetterPage, PayloadPage
from .doctor import DoctorPage
from .dry_run import DryRunPage
from .metrics import Metrics
from .page import Page
from .queues import QueuesPage
from .sweeps import SweepPage, SweepsPage

_STATIC = Path(__file__).parent / "static"
PAGES: dict[str, type[Page]] = {
    r"/queues": QueuesPage,
    r"/sweeps": SweepsPage,
    r"/sweeps/sweep/(.+)": SweepPage,
    r"/sweeps/dry-run": DryRunPage,
    r"/dead-letters": DeadLettersPage,
    r"/dead-letters/letter/(.+)": LetterPage,
    r"/dead-letters/payload/(.+)": PayloadPage,
    r"/dead-letters/select": NewBulkPage,
    r"/dead-letters/select/(.+)": NewSinglePage,
    r"/dead-letters/bulk/([\w-]+)": BulkPage,
    r"/doctor": DoctorPage,
}


def routes(console: Console) -> list[Any]:
    """The rules for a Tornado application; `/metrics` takes the place of Flower's."""
    style = URLSpec(r"/console/(console\.css)", StaticFileHandler, {"path": str(_STATIC)})
    metrics = URLSpec(r"/metrics", Metrics, {"scrape": console.scrape})
    return [style, metrics, *(URLSpec(path, page, {"console": console}) for path, page in PAGES.items())]
