"""The Registry's settings, read from the environment."""

from dataclasses import dataclass

from marshmallow import fields

from ...schemas.settings import number, setting
from ..database.config import DatabaseSettings, DatabaseUrl
from ..web.config import MIB, BearerKeys, ShiftedClock, offset_secs, size_bytes


@dataclass(frozen=True)
class RegistryDatabase(DatabaseSettings):
    """Where the Registry keeps its records."""

    default_database_url = "sqlite:///registry.db"

    own_database_url: str | None = setting(
        "REGISTRY_DATABASE_URL", DatabaseUrl(), None,
        "Where the Registry keeps its records; default: `DATABASE_URL`, else `sqlite:///registry.db`.", secret=True,
    )  # fmt: skip


@dataclass(frozen=True)
class RegistryServiceConfig(RegistryDatabase, ShiftedClock):
    """How the Registry runs."""

    keys: tuple[str, ...] = setting(
        "REGISTRY_KEYS", BearerKeys(), "",
        "Bearer tokens that the Registry accepts, separated by commas; without any, it is open.", secret=True,
    )  # fmt: skip
    max_body_bytes: int = setting(
        "REGISTRY_MAX_BODY_BYTES", size_bytes(64 * MIB), MIB, "A larger request to the Registry is a 413."
    )
    usage_reports_kept_days: int | None = setting(
        "USAGE_REPORTS_KEPT_DAYS", number(1, 36_500), None,
        "How long the Registry keeps each usage report; default: for ever. No sum changes when one is deleted.",
    )  # fmt: skip
    usage_keys_kept_days: int | None = setting(
        "USAGE_KEYS_KEPT_DAYS", number(90, 36_500), None,
        "How long the Registry knows the key of a counted usage report; default: for ever. A repeat of an older one "
        "counts again, so no shorter than dead letters are kept.",
    )  # fmt: skip
    models_file: str | None = setting(
        "REGISTRY_MODELS_FILE", fields.String(), None, "A JSON array of ModelMetadata that the Registry starts with."
    )
    clock_offset_secs: float = setting(
        "REGISTRY_CLOCK_OFFSET_SECS", offset_secs(), 0.0, "Shift of the Registry's clock, for demos and tests."
    )
