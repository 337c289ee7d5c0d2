"""What tests of `mgw status` look at."""

import os

WAITING = b'{"body": "W10=", "headers": {"task": "order", "id": "1", "sent_at": %d}, "properties": {}}'


def environ_of(url: str) -> dict[str, str]:
    """The environment of a command that looks at our app in this Redis."""
    return {**os.environ, "REDIS_URL": url, "VAULT_API_KEY": "key"}
