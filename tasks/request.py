"""The worker's side of a task of ours: its log lines name its sweep, too."""

from typing import Any

from ..delivery.worker.request import Request as KeptRequest
from .received import note_received
from .sweep_id import sweep_id_of


class Request(KeptRequest):
    """An in-flight task, whose lines in the parent's log have what its lines in the child's log have."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        note_received(self._facts)  # the next line of the log is Celery's, that it was received

    @property
    def _facts(self) -> dict[str, str]:
        sweep_id = sweep_id_of(self.name, self.id, self._payload[1])
        return {**super()._facts, **({"sweep_id": sweep_id} if sweep_id else {})}
