"""Settings of the clients: the contract's defaults, the environment, and every mistake at once."""

import dataclasses
from typing import Any

import pytest
from memory_graph_workers.clients.base import HEALTH_TIMEOUT_SECS
from memory_graph_workers.clients.breaker import FAIL_MAX
from memory_graph_workers.clients.breaker.breaker import SUCCESS_THRESHOLD
from memory_graph_workers.clients.breaker.storage import RESET_SECS
from memory_graph_workers.clients.capabilities import KEPT_SECS, MOST_BYTES
from memory_graph_workers.clients.config import (
    IDLE_CONNECTIONS,
    MemoryGraphConfig,
    RegistryConfig,
    RetryPolicy,
    SchedulerConfig,
    VaultConfig,
)
from memory_graph_workers.clients.errors import InvalidConfig
from memory_graph_workers.clients.http import CONNECT_TIMEOUT_SECS, IDLE_LIMIT_SECS, MAX_RESPONSE_BYTES
from memory_graph_workers.schemas.settings import Settings, read_all
from memory_graph_workers.schemas.vault import ComplianceLevel

ALL = [RegistryConfig, VaultConfig, MemoryGraphConfig, SchedulerConfig]


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (
            RegistryConfig(),
            {
                "base_url": "http://localhost:8080",
                "api_key": None,
                "timeout_secs": 30,
                "retry_count": 3,
                "enable_logging": True,
                "honours_idempotency": "auto",
                "allow_insecure_http": False,
            },
        ),
        (
            VaultConfig(api_key="k"),
            {
                "base_url": "http://localhost:9000",
                "encryption_enabled": True,
                "compression_enabled": True,
                "timeout_secs": 60,
                "batch_size": 100,
                "enable_logging": True,
            },
        ),
        (
            SchedulerConfig(),
            {
                "interval_hours": 24,
                "archive_after_days": 30,
                "retention_days": 365,
                "batch_size": 100,
                "default_compliance_level": ComplianceLevel.STANDARD,
                "enabled": True,
                "archive_without_content": False,
            },
        ),
        (
            RetryPolicy(),
            {"max_attempts": 3, "initial_delay_secs": 0.1, "backoff_multiplier": 2, "max_delay_secs": 5},
        ),
    ],
    ids=lambda value: type(value).__name__ if dataclasses.is_dataclass(value) else "",
)
def test_defaults_are_the_contracts(config: Any, wanted: dict[str, Any]) -> None:
    assert {name: getattr(config, name) for name in wanted} == wanted


def test_the_limits_that_nobody_sets_are_the_contracts() -> None:
    assert (CONNECT_TIMEOUT_SECS, HEALTH_TIMEOUT_SECS, MAX_RESPONSE_BYTES) == (10, 5, 64 * 2**20)
    assert (IDLE_CONNECTIONS, IDLE_LIMIT_SECS) == (10, 90)
    assert (FAIL_MAX, RESET_SECS, SUCCESS_THRESHOLD) == (5, 60, 2)
    assert (KEPT_SECS, MOST_BYTES) == (600, 64 * 2**10)


def test_the_environment_is_read_by_name() -> None:
    environ = {
        "REGISTRY_URL": "https://registry.example.com/base/",
        "REGISTRY_API_KEY": "  k1  ",
        "REGISTRY_TIMEOUT_SECS": "2.5",
        "REGISTRY_RETRY_COUNT": "7",
        "REGISTRY_LOGGING": "false",
        "REGISTRY_HONOURS_IDEMPOTENCY": "true",
        "UNRELATED": "x",
    }
    assert RegistryConfig.from_env(environ) == RegistryConfig(
        "https://registry.example.com/base", "k1", 2.5, 7, False, True
    )


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_API_KEY", "from-the-environment")
    assert VaultConfig.from_env().api_key == "from-the-environment"


@pytest.mark.parametrize("kind", ALL)
def test_an_empty_variable_counts_as_absent(kind: type[Settings]) -> None:
    key = {"VAULT_API_KEY": "k"}
    empty = {described.name: " " for _, described, _ in kind.table() if described.name not in key}
    assert kind.from_env({**empty, **key}) == kind.from_env(key)


def test_all_mistakes_of_all_groups_come_in_one_message() -> None:
    environ = {
        "REGISTRY_URL": "ftp://x",
        "REGISTRY_TIMEOUT_SECS": "soon",
        "VAULT_BATCH_SIZE": "0",
        "ARCHIVAL_COMPLIANCE_LEVEL": "secret-level",
        "MEMORY_GRAPH_URL": "http://x",
    }
    with pytest.raises(InvalidConfig) as caught:
        read_all(environ, *ALL)
    text = str(caught.value)
    assert all(name in text for name in [*environ, "VAULT_API_KEY"])
    assert text.count("\n  - ") == len(environ) + 1
    assert "secret-level" not in text


def test_mistakes_by_hand_come_in_one_message_too() -> None:
    with pytest.raises(InvalidConfig) as caught:
        VaultConfig("nonsense", "", timeout_secs=-1, batch_size=10**9)
    assert all(name in str(caught.value) for name in ("base_url", "api_key", "timeout_secs", "batch_size"))


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8080", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x:port"),
        *("http://u:p@x", "http://x?q=1", "http://x#f", "http://x y", "http://x\n", "http://[::1", "//x"),
        *("http://a..b", "http://.x", "http://*", f"http://{'x' * 64}"),
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="REGISTRY_URL"):
        RegistryConfig(url)


@pytest.mark.parametrize("url", ["http://x", "https://x/y/z", "http://[::1]:80", "HTTP://X", "http://127.0.0.1:1/"])
def test_addresses_are_accepted(url: str) -> None:
    assert RegistryConfig(url).base_url == url.rstrip("/")


@pytest.mark.parametrize("key", ["", "two words", "tab\t", "new\nline", "größe", "\x7f"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidConfig, match="VAULT_API_KEY"):
        VaultConfig(api_key=key)


@pytest.mark.parametrize(
    "values",
    [
        *({"timeout_secs": secs} for secs in (0, -1, float("nan"), float("inf"), 10**6, None)),
        *({"retry_count": 0}, {"enable_logging": "perhaps"}),
    ],
)
def test_numbers_and_switches_out_of_range_are_refused(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(InvalidConfig, match=name):
        RegistryConfig(**values)


FAR = "http://registry.example.com"


@pytest.mark.parametrize("kind", [RegistryConfig, VaultConfig])
@pytest.mark.parametrize(
    "url", [FAR, "http://10.0.0.1", "http://127.0.0.1.example.com", "http://localhost.example.com", "HTTP://far"]
)
def test_a_key_never_goes_over_plain_http_to_another_host(kind: type[RegistryConfig], url: str) -> None:
    with pytest.raises(InvalidConfig, match="ALLOW_INSECURE_HTTP"):
        kind(url, "k")
    assert kind(url, "k", allow_insecure_http=True).base_url == url
    assert kind(url.lower().replace("http:", "https:"), "k")


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.8.9.1", "http://[::1]:1", "http://LOCALHOST"])
def test_a_key_goes_over_plain_http_on_this_host(url: str) -> None:
    assert VaultConfig(url, "k").api_key == "k"


@pytest.mark.parametrize("url", ["grpc://graph:1", "GRPC://10.0.0.1", "grpc://localhost.example.com:50051"])
def test_a_key_never_goes_over_plain_grpc_to_another_host(url: str) -> None:
    with pytest.raises(InvalidConfig, match=r"grpcs:// only; ALLOW_INSECURE_HTTP=true"):
        MemoryGraphConfig(url, api_key="k")
    assert MemoryGraphConfig(url, api_key="k", allow_insecure_http=True).api_key == "k"
    assert MemoryGraphConfig(url.lower().replace("grpc:", "grpcs:"), api_key="k").api_key == "k"
    assert MemoryGraphConfig(url).api_key is None


@pytest.mark.parametrize("url", ["grpc://localhost:1", "grpc://127.8.9.1", "grpc://[::1]:1"])
def test_a_key_goes_over_plain_grpc_on_this_host(url: str) -> None:
    assert MemoryGraphConfig(url, api_key="k").api_key == "k"


def test_without_a_key_plain_http_is_fine() -> None:
    assert RegistryConfig(FAR).base_url == FAR


@pytest.mark.parametrize("days", [1, 90, 364, 365, 365_000])
def test_the_standard_level_has_no_floor(days: int) -> None:
    assert SchedulerConfig(retention_days=days).default_compliance_level is ComplianceLevel.STANDARD


@pytest.mark.parametrize("level", [level for level in ComplianceLevel if level is not ComplianceLevel.STANDARD])
def test_a_retention_below_the_levels_floor_is_refused(level: ComplianceLevel) -> None:
    days = {"hipaa": 2555, "gdpr": 2555, "pci": 1095, "soc2": 2555}[level]
    assert SchedulerConfig(retention_days=days, default_compliance_level=level).retention_days == days
    with pytest.raises(InvalidConfig, match="ARCHIVAL_RETENTION_DAYS"):
        SchedulerConfig(retention_days=days - 1, default_compliance_level=level)


@pytest.mark.parametrize(
    "values",
    [{"max_attempts": 0}, {"initial_delay_secs": -1}, {"max_delay_secs": -0.1}, {"backoff_multiplier": 0.5}],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        RetryPolicy(**values)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RegistryConfig().timeout_secs = 1  # type: ignore[misc]


@pytest.mark.parametrize("kind", ALL)
def test_every_setting_has_a_meaning_and_only_keys_are_secret(kind: type[Settings]) -> None:
    for attribute, described, _ in kind.table():
        assert described.meaning.endswith(".")
        assert described.name == described.name.upper()
        assert described.secret is (attribute == "api_key")
