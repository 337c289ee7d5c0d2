"""Why a message ended among the dead letters."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message ended among the dead letters."""

    FAILED = "failed"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INVALID_PAYLOAD = "invalid_payload"
    HARD_TIME_LIMIT = "hard_time_limit"
    LOST_WORKER = "lost_worker"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    UNKNOWN_TASK = "unknown_task"
    INVALID_MESSAGE = "invalid_message"
    UNDECODABLE = "undecodable"
    BROKEN_ENVELOPE = "broken_envelope"


JUNK = frozenset({Reason.INVALID_MESSAGE, Reason.UNDECODABLE, Reason.BROKEN_ENVELOPE})
NO_TASK = JUNK | {Reason.UNKNOWN_TASK}  # the name of a task in such a letter is whatever a sender wrote
