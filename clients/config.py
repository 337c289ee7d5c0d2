"""Settings of the clients: addresses, keys, deadlines, retries; from the environment or as arguments."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields

from ..schemas import archival
from ..schemas.settings import Settings, number, seconds, setting
from .errors import InvalidConfig

IDLE_CONNECTIONS = 10
AUTO = "auto"
_PLAIN = {"http": "https", "grpc": "grpcs"}


class ServiceUrl(fields.String):
    """An address with one of the `schemes`, a host, and neither credentials, query nor fragment."""

    def __init__(self, *schemes: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schemes = schemes

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _is_address(text, self.schemes):
            schemes = " or ".join(f"{scheme}://host:port" for scheme in self.schemes)
            raise ValidationError(f"Must be {schemes}, without user, query or fragment.")
        return text.rstrip("/")


class ApiKey(fields.String):
    """A bearer token: printable ASCII without spaces, because it travels in a header."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            raise ValidationError("Missing: set it, no request is taken without a key.")
        if not re.fullmatch(r"[\x21-\x7e]+", text):
            raise ValidationError("Must be printable ASCII without spaces.")
        return text


class AutoSwitch(fields.Boolean):
    """`true`, `false` or `auto`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return AUTO if value == AUTO else super()._deserialize(value, attr, data, **kwargs)


@dataclass(frozen=True)
class ClientSettings(Settings):
    """Settings of a client; a mistake raises InvalidConfig."""

    invalid: ClassVar[type[Exception]] = InvalidConfig


@dataclass(frozen=True)
class RetryPolicy(ClientSettings):
    """How a client without Celery retries: `max_attempts` in all, with waits that grow up to `max_delay_secs`.

    A wait that the server asks for (Retry-After) is respected up to the client's `timeout_secs`. A longer one is not
    slept: the error is raised and carries it.
    """

    max_attempts: int = 3
    initial_delay_secs: float = 0.1
    backoff_multiplier: float = 2.0
    max_delay_secs: float = 5.0
    retry_on_timeout: bool = True

    def mistakes(self) -> Iterator[str]:
        """Refuse a policy that never calls, or whose waits shrink."""
        if self.max_attempts < 1:
            yield "max_attempts: must be at least 1 (the first attempt counts)."
        if self.initial_delay_secs < 0 or self.max_delay_secs < 0:
            yield "initial_delay_secs, max_delay_secs: must not be negative."
        if self.backoff_multiplier < 1:
            yield "backoff_multiplier: must be at least 1."

    def delay_secs(self, attempt: int) -> float:
        """Return the wait after the attempt with this number (1 is the first)."""
        return min(self.initial_delay_secs * self.backoff_multiplier ** (attempt - 1), self.max_delay_secs)


@dataclass(frozen=True)
class RegistryConfig(ClientSettings):
    """Where LLM-Registry is and how to call it."""

    base_url: str = setting(
        "REGISTRY_URL", ServiceUrl("http", "https"), "http://localhost:8080", "Address of LLM-Registry."
    )
    api_key: str | None = setting(
        "REGISTRY_API_KEY", ApiKey(), None, "Bearer token for the Registry; leave empty if it needs none.", secret=True
    )
    timeout_secs: float = setting("REGISTRY_TIMEOUT_SECS", seconds(), 30.0, "Deadline of one attempt of a call.")
    retry_count: int = setting(
        "REGISTRY_RETRY_COUNT", number(1, 100), 3, "Attempts of a client that is used without Celery."
    )
    enable_logging: bool = setting(
        "REGISTRY_LOGGING", fields.Boolean(), True, "Log one line for each request, never a body."
    )
    honours_idempotency: bool | str = setting(
        "REGISTRY_HONOURS_IDEMPOTENCY",
        AutoSwitch(),
        AUTO,
        "Whether the Registry deduplicates by `Idempotency-Key`; `auto` believes its `/health`. If it does not, a "
        "usage report that got no response is not retried.",
    )
    allow_insecure_http: bool = setting(
        "ALLOW_INSECURE_HTTP", fields.Boolean(), False, "Allow keys over http:// and grpc:// to other hosts."
    )

    def mistakes(self) -> Iterator[str]:
        """Refuse to send a key over plain HTTP to another host."""
        return _insecure("base_url (REGISTRY_URL)", self.base_url, self.api_key, self.allow_insecure_http)


@dataclass(frozen=True)
class VaultConfig(ClientSettings):
    """Where Data-Vault is and how to call it."""

    base_url: str = setting("VAULT_URL", ServiceUrl("http", "https"), "http://localhost:9000", "Address of Data-Vault.")
    api_key: str = setting("VAULT_API_KEY", ApiKey(), "", "Bearer token for the Vault; required.", secret=True)
    encryption_enabled: bool = setting("VAULT_ENCRYPTION", fields.Boolean(), True, "Ask the Vault to encrypt archives.")
    compression_enabled: bool = setting(
        "VAULT_COMPRESSION", fields.Boolean(), True, "Ask the Vault to compress archives."
    )
    timeout_secs: float = setting("VAULT_TIMEOUT_SECS", seconds(), 60.0, "Deadline of one attempt of a call.")
    batch_size: int = setting("VAULT_BATCH_SIZE", number(1, 10_000), 100, "Archives in one request of a batch.")
    batch_max_bytes: int = setting(
        "VAULT_BATCH_MAX_BYTES",
        number(1, 1 << 30),
        8 << 20,
        "JSON bytes in one request of a batch; a larger archive goes alone.",
    )
    enable_logging: bool = setting(
        "VAULT_LOGGING", fields.Boolean(), True, "Log one line for each request, never a body."
    )
    allow_insecure_http: bool = setting(
        "ALLOW_INSECURE_HTTP", fields.Boolean(), False, "Allow keys over http:// and grpc:// to other hosts."
    )

    def mistakes(self) -> Iterator[str]:
        """Refuse to send a key over plain HTTP to another host."""
        return _insecure("base_url (VAULT_URL)", self.base_url, self.api_key, self.allow_insecure_http)


@dataclass(frozen=True)
class MemoryGraphConfig(ClientSettings):
    """Where LLM-Memory-Graph is and how to call it."""

    url: str = setting(
        "MEMORY_GRAPH_URL",
        ServiceUrl("grpc", "grpcs"),
        "grpc://localhost:50051",
        "Address of LLM-Memory-Graph (grpcs:// for TLS).",
    )
    timeout_secs: float = setting("MEMORY_GRAPH_TIMEOUT_SECS", seconds(), 30.0, "Deadline of one attempt of a call.")
    enable_logging: bool = setting(
        "MEMORY_GRAPH_LOGGING", fields.Boolean(), True, "Log one line for each request, never a body."
    )
    api_key: str | None = setting(
        "MEMORY_GRAPH_API_KEY",
        ApiKey(),
        None,
        "Bearer token for the Memory-Graph; leave empty if it needs none.",
        secret=True,
    )
    allow_insecure_http: bool = setting(
        "ALLOW_INSECURE_HTTP", fields.Boolean(), False, "Allow keys over http:// and grpc:// to other hosts."
    )

    def mistakes(self) -> Iterator[str]:
        """A key over plain gRPC off-host."""
        return _insecure("url (MEMORY_GRAPH_URL)", self.url, self.api_key, self.allow_insecure_http)


@dataclass(frozen=True)
class SchedulerConfig(ClientSettings, archival.SchedulerConfig):
    """Settings of the archival sweep; a mistake raises InvalidConfig."""


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _insecure(name: str, url: str, key: str | None, allowed: bool) -> Iterator[str]:
    parts = urlsplit(url)
    if key and parts.scheme in _PLAIN and not allowed and not is_loopback(parts.hostname or ""):
        yield f"{name}: a key goes over {_PLAIN[parts.scheme]}:// only; ALLOW_INSECURE_HTTP=true sends it in the clear."


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
        host = (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment) and text.isprintable()
    return parts.scheme in schemes and host not in (b"", b"*") and port_is_fine and plain and " " not in text
