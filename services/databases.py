"""The three services' databases: the settings that name them and the tables they hold."""

from dataclasses import dataclass

from sqlalchemy import MetaData

from .database.config import DatabaseSettings
from .database.migrate import Migrations
from .memory_graph import records as memory_graph_records
from .memory_graph.config import MemoryGraphDatabase
from .registry import records as registry_records
from .registry.config import RegistryDatabase
from .vault import records as vault_records
from .vault.config import VaultDatabase


@dataclass(frozen=True)
class Database:
    """One service's database."""

    settings: type[DatabaseSettings]
    tables: MetaData


DATABASES = {
    "registry": Database(RegistryDatabase, registry_records.Base.metadata),
    "vault": Database(VaultDatabase, vault_records.Base.metadata),
    "memory-graph": Database(MemoryGraphDatabase, memory_graph_records.Base.metadata),
}


def migrations_of(service: str) -> Migrations:
    """The migrations of the database that the environment names.

    Raises: ValueError if a setting is wrong.
    """
    database = DATABASES[service]
    return Migrations(database.settings.from_env().database_url, database.tables)
