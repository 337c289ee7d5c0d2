"""What the console's pages share: the app, its settings, and what of their work goes on between two requests."""

from dataclasses import dataclass, field

from ...target import Target
from ...threads import Threads
from ..config import FlowerConfig
from .reading import Reader

_MOST_CALLS = 16


@dataclass(frozen=True)
class Console:
    """One for a Flower."""

    target: Target
    config: FlowerConfig
    reader: Reader = field(default_factory=lambda: Reader(Threads(_MOST_CALLS)))
