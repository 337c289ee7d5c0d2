"""The headers that every response has."""

REQUEST_ID = "X-Request-ID"
UNKEPT = ("Cache-Control", "no-store")  # not of pages, which browsers may keep


def common_headers(request_id: str) -> list[tuple[str, str]]:
    """Those that even a page has."""
    return [(REQUEST_ID, request_id), ("X-Content-Type-Options", "nosniff")]
