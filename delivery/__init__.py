"""Redis delivery that loses nothing, for any Celery app: call `install(app, url)`."""

from .app_setup import install
from .base import KeptTask
from .bounds import Bounds
from .connections.replies import AWAY, NotNow
from .dead_letters.groups import LetterGroup
from .dead_letters.store import DeadLetter, DeadLetters, Reason
from .errors import DeliveryUncertain, InvalidConfig, UnfitMessage
from .held_queues.by_hand import ByHand
from .held_queues.holds import Hold, HoldStore
from .keys import Keys
from .redaction import redact_logs
from .settings import Installed, installed

__all__ = [
    "AWAY",
    "Bounds",
    "ByHand",
    "DeadLetter",
    "DeadLetters",
    "DeliveryUncertain",
    "Hold",
    "HoldStore",
    "Installed",
    "InvalidConfig",
    "KeptTask",
    "Keys",
    "LetterGroup",
    "NotNow",
    "Reason",
    "UnfitMessage",
    "install",
    "installed",
    "redact_logs",
]
