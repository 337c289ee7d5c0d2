"""The Vault's HTTP routes: archives and retention policies."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]

from ...schemas.vault import (
    ArchiveEntry,
    ArchiveEntrySchema,
    ArchiveResponse,
    ArchiveResponseSchema,
    BatchArchiveResponseSchema,
    PlacedEntrySchema,
    PolicyAssignmentSchema,
    PolicyCreatedSchema,
    PolicyId,
    RetentionPolicy,
    RetentionPolicySchema,
    RetrievedArchiveSchema,
)
from ..database.storage import Storage
from ..web.app import make_web_app
from ..web.idempotency import RETENTION, IdempotencyStore, capability, respond_once
from ..web.log import log_failure
from ..web.openapi import ServiceInfo
from ..web.openapi_parts import error_body
from ..web.request_body import JsonBlueprint, body_digest, read_json, with_derived_ids
from . import archives as vault_archives
from . import batches as vault_batches
from . import policies as vault_policies
from . import rotation as vault_rotation
from .config import VaultServiceConfig
from .drafts import ArchiveOptions, Draft, Refused, make_draft, make_drafts
from .keys import Unreadable
from .records import Base, IdempotentResponse
from .seal import SealOptions
from .storing import Archiver, Outcome

MAX_BATCH_ENTRIES = 1000
_RECEIPT, _BATCH_RESPONSE = ArchiveResponseSchema(), BatchArchiveResponseSchema()
_FLAGS = {"true": True, "false": False}
INFO = ServiceInfo(
    "Data-Vault", "Archives of sessions, kept for as long as their retention policy requires.", key_needed=True
)
_STORAGE_HEADERS = ["Encryption", "Compression"]
_ENTRIES = {"type": "array", "maxItems": MAX_BATCH_ENTRIES, "items": PlacedEntrySchema}
CAPABILITIES: dict[str, Any] = {"archive_policy": {}}
_BATCH = {"required": True, "content": {"application/json": {"schema": _ENTRIES}}}
routes = JsonBlueprint("vault", __name__, url_prefix="/api/v1", description=INFO.description)


def prepare(config: VaultServiceConfig) -> None:
    """Create the tables, and check that the encryption keys of all archives are available.

    Raises: ValueError naming the missing keys.
    """
    with closing(Storage(config.database_url, Base)) as storage:
        storage.create()
        vault_rotation.check_keys(storage, config.encryption_keys)


def make_app(config: VaultServiceConfig, threads: int) -> Flask:
    """The web application."""
    storage = Storage(config.database_url, Base, threads)
    able = capability(RETENTION.days) | CAPABILITIES
    app, api = make_web_app(INFO, storage, config.keys, config.max_body_bytes, able)
    idempotency = IdempotencyStore(storage, IdempotentResponse, config.now, config.encryption_keys.fingerprint)
    archiver = Archiver(storage, idempotency, config.encryption_keys, config.now)
    app.extensions.update(idempotency=idempotency, archiver=archiver, storage=storage, config=config)
    app.extensions["purges"] = (idempotency.purge,)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Unreadable, _unreadable)
    api.register_blueprint(routes)
    return app


@routes.post("/archive")
@routes.takes_body(with_derived_ids(ArchiveEntrySchema))
@routes.responds(201, ArchiveResponseSchema())
@routes.documents(parameters=_STORAGE_HEADERS)
def archive_session(entry: ArchiveEntry) -> Response:
    """Store one session."""
    draft = make_draft(entry, _options())
    return _respond(201, _archiver().store([draft], _receipt))


@routes.post("/archive/batch")
@routes.responds(200, BatchArchiveResponseSchema())
@routes.documents(parameters=_STORAGE_HEADERS, requestBody=_BATCH)
def batch_archive() -> Response:
    """Store many sessions; lists those that cannot be stored with the reason.

    Entries are independent: one that does not match its schema, is too large or contradicts what is stored is in
    `failed`, and the others are stored. An entry may name its policy; `policies` tells which archives are under theirs.
    An archive whose policy does not exist, or that was stored before, may be in `archived` and not there.
    """
    drafts = make_drafts(_read_entries(), body_digest(), _options())

    def write(outcomes: Sequence[Outcome]) -> str:
        return current_app.json.dumps(_BATCH_RESPONSE.dump(vault_batches.response(drafts, outcomes)))

    return _respond(200, _archiver().store([one for one in drafts if isinstance(one, Draft)], write))


@routes.get("/archive/<id:archive_id>")
@routes.responds(200, RetrievedArchiveSchema(), errors=(404,))
def retrieve_session(archive_id: str) -> Response:
    """Get an archive, with its data exactly as sent."""
    with _storage().read() as session:
        text = vault_archives.retrieve(session, archive_id, _config().encryption_keys)
    return _respond(200, text)


@routes.delete("/archive/<id:archive_id>")
@routes.responds(204, errors=(409,))
def delete_archive(archive_id: str) -> None:
    """Delete an archive whose retention has ended; 204 also if it does not exist."""
    now = _config().now()
    _storage().write(lambda session: vault_archives.delete(session, archive_id, now))


@routes.post("/policies")
@routes.takes_body(with_derived_ids(RetentionPolicySchema))
@routes.responds(201, PolicyCreatedSchema())
def create_retention_policy(policy: RetentionPolicy) -> Response:
    """Record a retention policy.

    Fewer days than its compliance level requires are a 422: pci 1095, hipaa, gdpr and soc2 2555.
    """
    now = _config().now()
    return respond_once(201, PolicyCreatedSchema(), lambda session: vault_policies.create(session, policy, now))


@routes.put("/archive/<id:archive_id>/policy")
@routes.takes_body(PolicyAssignmentSchema())
@routes.responds(204, errors=(404,))
def apply_retention_policy(assignment: PolicyId, archive_id: str) -> None:
    """Extend an archive's retention to that of a policy; never shortens it."""
    _storage().write(lambda session: vault_policies.apply(session, archive_id, assignment.policy_id))


def _read_entries() -> list[Any]:
    entries = read_json()
    if not isinstance(entries, list):
        abort(422, message="The body must be an array of archive entries.")
    if len(entries) > MAX_BATCH_ENTRIES:
        abort(413, message=f"A batch may have {MAX_BATCH_ENTRIES} entries.")
    return entries


def _receipt(outcomes: Sequence[Outcome]) -> str:
    (outcome,) = outcomes
    if not isinstance(outcome, ArchiveResponse):
        raise outcome
    return current_app.json.dumps(_RECEIPT.dump(outcome))


def _respond(status: int, text: str) -> Response:
    return current_app.response_class(text, status, mimetype="application/json")


def _refused(error: Refused) -> tuple[dict[str, Any], int]:
    return error_body(error.status, error.reason, error.refusal), error.status


def _unreadable(error: Unreadable) -> tuple[dict[str, Any], int]:
    log_failure(error, {"request_id": g.request_id, "reason": error.reason})
    return error_body(500, error.reason), 500


def _options() -> ArchiveOptions:
    seal_options = SealOptions(_flag("X-Encryption-Enabled"), _flag("X-Compression-Enabled"))
    return ArchiveOptions(_config().max_entry_bytes, seal_options, _config().encryption_keys)


def _flag(header: str) -> bool:
    value = request.headers.get(header, "true")
    if value not in _FLAGS:
        abort(400, message=f"{header} must be true or false.")
    return _FLAGS[value]


def _archiver() -> Archiver:
    return current_app.extensions["archiver"]


def _storage() -> Storage:
    return current_app.extensions["storage"]


def _config() -> VaultServiceConfig:
    return current_app.extensions["config"]
