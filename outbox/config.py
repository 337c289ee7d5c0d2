"""Where `mgw outbox` finds the outbox, read from the environment."""

from dataclasses import dataclass

from ..clients.config import ClientSettings
from ..schemas.settings import setting
from ..services.database.config import DatabaseUrl


@dataclass(frozen=True)
class OutboxConfig(ClientSettings):
    """What the relay needs beside the broker's address."""

    database_url: str = setting(
        "OUTBOX_DATABASE_URL",
        DatabaseUrl(),
        "",
        "The database of your application, whose outbox `mgw outbox` sends; for it, required.",
        secret=True,
    )
