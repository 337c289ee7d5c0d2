"""Start one of the three services in this process."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ..schemas.settings import Settings, read_all
from ..tracing import recording
from ..tracing.config import TracingConfig
from .memory_graph.config import MemoryGraphServiceConfig
from .registry.config import RegistryServiceConfig
from .vault.config import VaultServiceConfig
from .web.config import ServerConfig
from .web.http_server import HttpServer
from .web.log import log_to_stderr
from .web.reception import Admission

DEFAULT_PORTS = {"registry": 8080, "vault": 9000, "memory-graph": 50051}
_SETTINGS: dict[str, type[Settings]] = {
    "registry": RegistryServiceConfig,
    "vault": VaultServiceConfig,
    "memory-graph": MemoryGraphServiceConfig,
}
# Only the one that is started is imported: it takes a fifth less to start without the other two.
_MODULES = {"registry": ".registry.app", "vault": ".vault.app", "memory-graph": ".memory_graph.server"}


def serve(name: str, host: str, port: int) -> None:
    """Run the service until SIGTERM; it accepts requests once it has printed "<name> ready on ..." to stderr.

    Raises: ValueError listing every wrong setting, or saying that the database cannot be opened.
    """
    log_to_stderr()
    settings: Any = read_all(None, ServerConfig, _SETTINGS[name], TracingConfig)
    server, config, traces = settings
    service = import_module(_MODULES[name], __package__)
    _prepare(service, config)
    record = partial(recording.start, traces, name)
    if name == "memory-graph":
        record()
        service.run(config, host, port, server.threads)
    else:
        _serve_http(name, service, host, port, server, config, record)


def _serve_http(
    name: str, service: Any, host: str, port: int, server: ServerConfig, config: Any, record: Callable[[], None]
) -> None:
    def make_app() -> Any:
        record()  # in each worker's process
        return service.make_app(config, server.threads)

    admission = Admission(config.keys, config.max_body_bytes, server.threads * config.max_body_bytes)
    HttpServer(name, make_app, host, port, server, admission).run()


def _prepare(service: Any, config: Any) -> None:
    try:
        service.prepare(config)
    except (SQLAlchemyError, ImportError) as error:
        raise ValueError(
            f"database_url: the database cannot be opened ({type(error).__name__}); check that it exists and runs."
        ) from error
