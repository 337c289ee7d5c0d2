"""A 409 that says in fields what the call contradicts, so that a client may show it."""

from typing import NoReturn

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]

from ...schemas.refusals import Refusal


def conflict(refusal: Refusal) -> NoReturn:
    """End the request with a 409."""
    sentence = refusal.sentence
    abort(409, message=f"{sentence[0].upper()}{sentence[1:]}.", refusal=refusal)
