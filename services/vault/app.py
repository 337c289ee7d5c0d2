"""A Vault: archives and retention policies over HTTP."""

from contextlib import closing
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]

from ...schemas.vault import (
    ArchiveEntry,
    ArchiveEntrySchema,
    ArchiveResponseSchema,
    BatchArchiveResponseSchema,
    PolicyAssignmentSchema,
    PolicyCreatedSchema,
    PolicyId,
    RetentionPolicy,
    RetentionPolicySchema,
    RetrievedArchiveSchema,
)
from ..database.storage import Storage
from ..web.app import make_web_app
from ..web.idempotency import Once, once
from ..web.log import log_failure
from ..web.openapi import About
from ..web.openapi_parts import error_body
from ..web.request_body import JsonBlueprint, body_digest, read_json, received
from . import archives as vault_archives
from . import batches as vault_batches
from . import policies as vault_policies
from . import rotation as vault_rotation
from .archives import Refused, Terms
from .config import VaultServiceConfig
from .keys import Unreadable
from .records import Answer, Base
from .seal import Wishes

MOST_ENTRIES = 1000
_FLAGS = {"true": True, "false": False}
ABOUT = About("Data-Vault", "Archives of sessions, kept as long as their retention policy asks.", key_needed=True)
_WISHES = ["Encryption", "Compression"]
_ENTRIES = {"type": "array", "maxItems": MOST_ENTRIES, "items": ArchiveEntrySchema}
_BATCH = {"required": True, "content": {"application/json": {"schema": _ENTRIES}}}
routes = JsonBlueprint("vault", __name__, url_prefix="/api/v1", description=ABOUT.description)


def prepare(config: VaultServiceConfig) -> None:
    """Make the tables, and see that the keys of all archives are there.

    Raises: ValueError naming what is missing.
    """
    with closing(Storage(config.database_url, Base)) as storage:
        storage.create()
        vault_rotation.check_keys(storage, config.encryption_keys)


def make_app(config: VaultServiceConfig, threads: int) -> Flask:
    """The web application."""
    storage = Storage(config.database_url, Base, threads)
    app, api = make_web_app(ABOUT, storage, config.keys, config.max_body_bytes)
    keeper = Once(storage, Answer, config.now, config.encryption_keys.mark)
    app.extensions.update(once=keeper, storage=storage, config=config)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Unreadable, _unreadable)
    api.register_blueprint(routes)
    return app


@routes.post("/archive")
@routes.accepts(received(ArchiveEntrySchema))
@routes.answers(201, ArchiveResponseSchema())
@routes.documents(parameters=_WISHES)
def archive_session(entry: ArchiveEntry) -> Response:
    """Store one session."""
    terms, now = _terms(), _config().now()
    made = vault_archives.draft(entry, terms)
    return once(201, ArchiveResponseSchema(), lambda session: vault_archives.store(session, made, terms.ring, now))


@routes.post("/archive/batch")
@routes.answers(200, BatchArchiveResponseSchema())
@routes.documents(parameters=_WISHES, requestBody=_BATCH)
def batch_archive() -> Response:
    """Store many sessions; each that cannot be stored is named with its reason.

    Each entry is judged by itself: one that breaks its schema, is too large or contradicts what is stored is in
    `failed`, and the others are stored.
    """
    terms, now = _terms(), _config().now()
    made = vault_batches.drafts(_read_entries(), body_digest(), terms)
    return once(
        200, BatchArchiveResponseSchema(), lambda session: vault_batches.store_all(session, made, terms.ring, now)
    )


@routes.get("/archive/<id:archive_id>")
@routes.answers(200, RetrievedArchiveSchema(), errors=(404,))
def retrieve_session(archive_id: str) -> Response:
    """Give an archive back, its data as it was sent."""
    with _storage().read() as session:
        text = vault_archives.retrieved(session, archive_id, _config().encryption_keys)
    return current_app.response_class(text, mimetype="application/json")


@routes.delete("/archive/<id:archive_id>")
@routes.answers(204, errors=(409,))
def delete_archive(archive_id: str) -> None:
    """Delete an archive whose retention has ended; 204 also where it is gone already."""
    now = _config().now()
    _storage().write(lambda session: vault_archives.remove(session, archive_id, now))


@routes.post("/policies")
@routes.accepts(received(RetentionPolicySchema))
@routes.answers(201, PolicyCreatedSchema())
def create_retention_policy(policy: RetentionPolicy) -> Response:
    """Record a retention policy.

    Fewer days than its compliance level asks for are a 422: standard 365, pci 1095, hipaa, gdpr and soc2 2555.
    """
    now = _config().now()
    return once(201, PolicyCreatedSchema(), lambda session: vault_policies.create(session, policy, now))


@routes.put("/archive/<id:archive_id>/policy")
@routes.accepts(PolicyAssignmentSchema())
@routes.answers(204, errors=(404,))
def apply_retention_policy(assignment: PolicyId, archive_id: str) -> None:
    """Keep an archive as long as a policy asks, if that is longer."""
    _storage().write(lambda session: vault_policies.apply(session, archive_id, assignment.policy_id))


def _read_entries() -> list[Any]:
    entries = read_json()
    if not isinstance(entries, list):
        abort(422, message="The body must be an array of archive entries.")
    if len(entries) > MOST_ENTRIES:
        abort(413, message=f"A batch may have {MOST_ENTRIES} entries.")
    return entries


def _refused(refusal: Refused) -> tuple[dict[str, Any], int]:
    return error_body(refusal.status, refusal.reason), refusal.status


def _unreadable(error: Unreadable) -> tuple[dict[str, Any], int]:
    log_failure(error, {"request_id": g.request_id, "reason": error.reason})
    return error_body(500, error.reason), 500


def _terms() -> Terms:
    wishes = Wishes(_flag("X-Encryption-Enabled"), _flag("X-Compression-Enabled"))
    return Terms(_config().max_entry_bytes, wishes, _config().encryption_keys)


def _flag(header: str) -> bool:
    value = request.headers.get(header, "true")
    if value not in _FLAGS:
        abort(400, message=f"{header} must be true or false.")
    return _FLAGS[value]


def _storage() -> Storage:
    return current_app.extensions["storage"]


def _config() -> VaultServiceConfig:
    return current_app.extensions["config"]
