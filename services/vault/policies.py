"""The Vault's retention policies, which only ever lengthen."""

from datetime import datetime
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.orm import Session

from ...schemas.vault import PolicyId, RetentionPolicy, RetentionPolicySchema
from . import archives as vault_archives
from .records import PolicyRecord

_SCHEMA = RetentionPolicySchema()


def create(session: Session, policy: RetentionPolicy, now: datetime) -> PolicyId:
    """Record a policy; the same one again changes nothing, another one under its id is a 409."""
    floor = policy.compliance_level.retention_days
    if policy.retention_days < floor:
        abort(422, messages={"retention_days": [f"Must be at least the level's {floor}."]})
    record = session.get(PolicyRecord, policy.policy_id)
    if record is None:
        session.add(_record(policy, now))
        session.flush()
    elif record.content != _content(policy):
        abort(409, message="A policy with this id has other content.")
    return PolicyId(policy.policy_id)


def apply(session: Session, archive_id: str, policy_id: str) -> None:
    """Keep an archive as long as the policy asks; never shorter than it is kept already."""
    archive = vault_archives.found(session, archive_id)
    policy = session.get(PolicyRecord, policy_id)
    if policy is None:
        abort(404, message="No policy has this id.")
    archive.kept_days = max(archive.kept_days, policy.retention_days)
    archive.kept_until = vault_archives.end_of(archive.archived_at, archive.kept_days)
    archive.policy_id = policy_id


def _record(policy: RetentionPolicy, now: datetime) -> PolicyRecord:
    return PolicyRecord(
        policy_id=policy.policy_id,
        retention_days=policy.retention_days,
        auto_delete=policy.auto_delete,
        created_at=policy.created_at or now,
        content=_content(policy),
    )


def _content(policy: RetentionPolicy) -> dict[str, Any]:
    # The moment of making is no part of what a policy says.
    return {name: value for name, value in _SCHEMA.as_json(policy).items() if name != "created_at"}
