"""What is inserted of a request's archives, and what was there, whichever database does it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Inserted:
    """The archives that are new, each with the policy that it is under, or the response that was stored before.

    `has_response` if the expected response is stored for the key: all archives are new and under their policies.
    """

    policies: dict[str, str | None] = field(default_factory=dict[str, str | None])
    has_response: bool = False
    stored: "EarlierResponse | None" = None


@dataclass(frozen=True, slots=True)
class EarlierResponse:
    """A stored response, and the fingerprint of the body that it was made for."""

    fingerprint: str
    text: str
