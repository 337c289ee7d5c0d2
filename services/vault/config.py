"""The Vault's settings, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields

from ...schemas.settings import setting
from ..database.config import DatabaseSettings, DatabaseUrl
from ..web.config import MIB, BearerKeys, ShiftedClock, offset_secs, size_bytes
from .keys import KeyRing, read_ring


class EncryptionKeys(fields.Field[KeyRing]):
    """The Vault's comma-separated master keys, each 32 bytes in base64."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> KeyRing:
        if isinstance(value, KeyRing):
            return value
        try:
            return read_ring([key.strip() for key in str(value).split(",") if key.strip()])
        except ValueError as error:
            raise ValidationError(str(error)) from error


@dataclass(frozen=True)
class VaultDatabase(DatabaseSettings):
    """Where the Vault keeps its archives."""

    default_database_url = "sqlite:///vault.db"

    own_database_url: str | None = setting(
        "VAULT_DATABASE_URL", DatabaseUrl(), None,
        "Where the Vault keeps its archives; default: `DATABASE_URL`, else `sqlite:///vault.db`.", secret=True,
    )  # fmt: skip


@dataclass(frozen=True)
class VaultServiceConfig(VaultDatabase, ShiftedClock):
    """How the Vault runs."""

    keys: tuple[str, ...] = setting(
        "VAULT_KEYS", BearerKeys(needed=True), "",
        "Bearer tokens that the Vault accepts, separated by commas; required.", secret=True,
    )  # fmt: skip
    encryption_keys: KeyRing = setting(
        "VAULT_ENCRYPTION_KEYS", EncryptionKeys(), "",
        "Master keys for archives at rest, separated by commas; the first encrypts, all decrypt; required.",
        secret=True,
    )  # fmt: skip
    max_body_bytes: int = setting(
        "VAULT_MAX_BODY_BYTES", size_bytes(1024 * MIB), 16 * MIB, "A larger request to the Vault is a 413."
    )
    max_entry_bytes: int = setting(
        "VAULT_MAX_ENTRY_BYTES", size_bytes(1024 * MIB), 8 * MIB,
        "A larger archive is a 413; in a batch, it alone fails.",
    )  # fmt: skip
    clock_offset_secs: float = setting(
        "VAULT_CLOCK_OFFSET_SECS", offset_secs(), 0.0, "Shift of the Vault's clock, for demos and tests."
    )
