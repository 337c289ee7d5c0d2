"""The reference vault's database, opened with the settings of the service."""

from collections.abc import Generator
from contextlib import closing, contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ...services.database.migrate import State
from ...services.database.storage import Storage
from ...services.databases import migrations_of
from ...services.vault.config import VaultServiceConfig
from ...services.vault.records import Base
from ..terminal.failure import Failure, Refused


@contextmanager
def vault_database() -> Generator[tuple[VaultServiceConfig, Storage]]:
    """The vault's settings and its existing database.

    Raises: Refused if a setting is wrong or the tables need a migration; Failure if the database does not answer.
    """
    try:
        config = _ready_config()
        with closing(Storage(config.database_url, Base)) as storage:
            yield config, storage
    except SQLAlchemyError as error:
        why = f"The vault's database does not answer ({type(error.__cause__ or error).__name__})."
        raise Failure(f"{why} Run the command again; it continues where it stopped.") from error


def _ready_config() -> VaultServiceConfig:
    try:
        config, status = VaultServiceConfig.from_env(), migrations_of("vault").status()
    except ValueError as error:
        raise Refused(str(error)) from error
    if status.state is State.EMPTY:
        raise Refused("The vault's database is empty or missing. Is VAULT_DATABASE_URL (or DATABASE_URL) right?")
    if not status.is_current:
        raise Refused(status.explain())
    return config
