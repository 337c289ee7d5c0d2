"""What is inserted of a request's archives, and what was there, whichever database does it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Inserted:
    """The archives that are new, each with the policy that it is under, or the response that was stored before.

    `answered` if the expected response is stored for the request's key, because all archives are new and under theirs.
    """

    policies: dict[str, str | None] = field(default_factory=dict[str, str | None])
    answered: bool = False
    stored: "Answer | None" = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored response, and the fingerprint of the body that it was made for."""

    fingerprint: str
    text: str
