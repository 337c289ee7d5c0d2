"""The Vault's retention policies, which only ever extend a retention."""

from datetime import datetime
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.orm import Session

from ...schemas.vault import PolicyId, RetentionPolicy, RetentionPolicySchema
from ..web.conflict import conflict
from . import archives as vault_archives
from .records import PolicyRecord
from .storing import OTHER_CONTENT

_SCHEMA = RetentionPolicySchema()


def create(session: Session, policy: RetentionPolicy, now: datetime) -> PolicyId:
    """Record a policy; a repeat changes nothing, other content with the same id is a 409."""
    floor = policy.compliance_level.least_days
    if policy.retention_days < floor:
        abort(422, messages={"retention_days": [f"Must be at least {floor}, as its compliance level requires."]})
    record = session.get(PolicyRecord, policy.policy_id)
    if record is None:
        session.add(_record(policy, now))
        session.flush()
    elif record.content != _content(policy):
        conflict(OTHER_CONTENT)
    return PolicyId(policy.policy_id)


def apply(session: Session, archive_id: str, policy_id: str) -> None:
    """Extend an archive's retention to that of a policy; never shortens it."""
    archive = vault_archives.get(session, archive_id)
    policy = session.get(PolicyRecord, policy_id)
    if policy is None:
        abort(404, message="No policy has this id.")
    archive.kept_days = max(archive.kept_days, policy.retention_days)
    until = vault_archives.retention_end(archive.received_at, archive.kept_days)
    archive.kept_until = max(archive.kept_until, until)
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
    # When a policy was created is not part of its content.
    return {name: value for name, value in _SCHEMA.as_json(policy).items() if name != "created_at"}
