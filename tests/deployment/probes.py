"""How a part is asked whether it works: by a program, by an HTTP request, or by a connection."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Exec:
    """A program in the part's own environment, which must end with 0."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Connection:
    """A port that must accept a connection and, if there is a path, respond with 200 to a GET."""

    port: str
    path: str | None = None
