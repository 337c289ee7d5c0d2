"""The retention policies that tasks create: what the vault is sent of a compliance level, and of some days."""

from typing import Any

import pytest
from memory_graph_workers.schemas.vault import ComplianceLevel, RetentionPolicy, RetentionPolicySchema
from memory_graph_workers.tasks import archival, connections

LEVELS = {"standard": 365, "hipaa": 2555, "gdpr": 2555, "pci": 1095, "soc2": 2555}


class Vault:
    """Remembers the policies that it is told to create."""

    def __init__(self) -> None:
        self.policies: list[dict[str, Any]] = []

    def create_retention_policy(self, policy: RetentionPolicy, *, idempotency_key: str) -> str:
        self.policies.append(RetentionPolicySchema().write(policy))
        return policy.policy_id


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    made = Vault()
    monkeypatch.setattr(connections, "vault", lambda: made)
    return made


@pytest.mark.parametrize(("level", "days"), LEVELS.items())
def test_a_level_has_its_days_its_name_as_tag_and_no_automatic_deletion(vault: Vault, level: str, days: int) -> None:
    archival.create_compliance_policy.apply((level,), throw=True)
    [sent] = vault.policies
    assert (sent["retention_days"], sent["compliance_level"]) == (days, level)
    assert (sent["tags"], sent["auto_delete"]) == ([level], False)


def test_every_level_is_tried() -> None:
    assert set(LEVELS) == set(ComplianceLevel)


def test_a_standard_policy_has_the_days_that_were_asked_for(vault: Vault) -> None:
    for days in (7, 3000):
        archival.create_standard_policy.apply((days,), throw=True)
    assert [(sent["compliance_level"], sent["retention_days"]) for sent in vault.policies] == [
        ("standard", 7),
        ("standard", 3000),
    ]
    assert len({sent["policy_id"] for sent in vault.policies}) == 2
