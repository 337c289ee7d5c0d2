"""Whether a caller sent one of a service's bearer keys."""

import hmac


def is_accepted(authorization: str, keys: tuple[str, ...]) -> bool:
    """Whether an `Authorization` header carries one of the keys, compared in constant time."""
    scheme, _, given = authorization.partition(" ")
    # Compare every key, so that the time taken does not tell which one nearly matched.
    matches = [hmac.compare_digest(given.strip().encode(), key.encode()) for key in keys]
    return scheme.lower() == "bearer" and any(matches)
