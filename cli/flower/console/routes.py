"""Which page of the console is at which address."""

from pathlib import Path
from typing import Any

from tornado.web import StaticFileHandler, URLSpec

from .console import Console
from .queues import QueuesPage

_STATIC = Path(__file__).parent / "static"


def routes(console: Console) -> list[Any]:
    """The rules for a Tornado application."""
    pages = {
        r"/queues": QueuesPage,
    }
    style = URLSpec(r"/console/(console\.css)", StaticFileHandler, {"path": str(_STATIC)})
    return [style, *(URLSpec(path, page, {"console": console}) for path, page in pages.items())]
