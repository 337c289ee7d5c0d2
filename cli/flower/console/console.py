"""What the console's pages share: the app, its settings, and what of their work goes on between two requests."""

from ...target import Target
from ...threads import Threads
from ..config import FlowerConfig
from .bulk import Bulks
from .examination import Examination
from .metrics import Scrape
from .reading import Reader

_MOST_CALLS = 16


class Console:
    """One for a Flower."""

    def __init__(self, target: Target, config: FlowerConfig) -> None:
        self.target, self.config = target, config
        self.reader, self.bulks = Reader(Threads(_MOST_CALLS)), Bulks(target)
        self.examination, self.scrape = Examination(target), Scrape(target)
