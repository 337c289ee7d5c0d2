"""What the answering server says: a Registry and a Vault that make everything up."""

USAGE = b"/api/v1/usage"


class Listing:
    """Sessions that exist only while they are asked for: `many`, a share of them due."""

    def __init__(self, many: int, due: float, *, honours_hints: bool) -> None:
        self.many, self.due, self.honours_hints = many, due, honours_hints
        self.archived: set[str] = set()


def answer(listing: Listing, method: bytes, target: str, body: bytes) -> tuple[int, bytes]:
    """The status and the body for one request."""
    return 200, b"{}"
