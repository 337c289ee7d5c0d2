"""The Registry's models: those named by registrations and usage reports, and those of the models file."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from flask_smorest import abort  # pyright: ignore[reportMissingTypeStubs]
from marshmallow import RAISE
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...schemas.base import ValidationError
from ...schemas.registry import ModelList, ModelMetadata, ModelMetadataSchema
from .listing import readable
from .records import ModelRecord

NO_MODEL = "No model has this id."
_SCHEMA = ModelMetadataSchema()


def record_model(session: Session, model_id: str, version: str, now: datetime) -> None:
    """Record a model that is named for the first time, or for the first time with a version."""
    known = _find(session, model_id)
    if known is None:
        _put(session, ModelMetadata(model_id=model_id, version=version, provider="unknown", created_at=now))
    elif version and isinstance(known.details, dict) and not known.details.get("version"):
        known.details = {**known.details, "version": version}


def list_page(session: Session, page: int, page_size: int) -> ModelList:
    """One page of models, in the order in which they were first named."""
    total = session.scalar(select(func.count()).select_from(ModelRecord)) or 0
    query = select(ModelRecord).order_by(ModelRecord.number).limit(page_size).offset((page - 1) * page_size)
    models, unreadable = readable(session.scalars(query), lambda record: _SCHEMA.read(record.details))
    return ModelList(models, total, page, page_size, unreadable)


def get(session: Session, model_id: str) -> ModelMetadata:
    """The model; a 404 if it does not exist."""
    record = _find(session, model_id)
    if record is None:
        abort(404, message=NO_MODEL)
    return _SCHEMA.read(record.details)


def load_models(session: Session, models: list[ModelMetadata]) -> None:
    """Record the models of a file; they replace known models with the same ids."""
    for model in models:
        _put(session, model)


def read_models(path: str) -> list[ModelMetadata]:
    """Read a JSON array of ModelMetadata.

    Raises: ValueError saying what is wrong with the file.
    """
    try:
        listed: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        models: Any = ModelMetadataSchema(many=True, unknown=RAISE).load(listed)
    except (OSError, ValueError, ValidationError) as error:
        why = error.messages if isinstance(error, ValidationError) else type(error).__name__
        raise ValueError(f"models_file (REGISTRY_MODELS_FILE): not a JSON array of models: {why}") from error
    return models


def _find(session: Session, model_id: str) -> ModelRecord | None:
    return session.scalars(select(ModelRecord).where(ModelRecord.model_id == model_id)).one_or_none()


def _put(session: Session, model: ModelMetadata) -> None:
    record = _find(session, model.model_id)
    if record is None:
        record = ModelRecord(model_id=model.model_id, created_at=model.created_at)
        session.add(record)
    record.details = _SCHEMA.as_json(model)
    session.flush()
