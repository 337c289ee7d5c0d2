"""How a status is shown: HTTP's as the number that everybody knows, gRPC's by its name."""

# https://grpc.io/docs/guides/status-codes: the place is the number.
_GRPC = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def spoken_status(status: int) -> str:
    """Return what a person calls a status: `404`, or `UNAVAILABLE` for gRPC's 14."""
    return _GRPC[status] if 0 <= status < len(_GRPC) else str(status)
