"""`mgw serve`: run one of the reference services in the foreground."""

import click

from .terminal.failure import Refused

_PORTS = {"registry": 8080, "vault": 9000, "memory-graph": 50051}


@click.command(name="serve")
@click.argument("service", type=click.Choice(list(_PORTS)))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; default: 8080, 9000 and 50051.")
def command(service: str, host: str, port: int | None) -> None:
    """Run one of the reference services in the foreground.

    It reads its settings from the environment: REGISTRY_DATABASE_URL and REGISTRY_KEYS; VAULT_DATABASE_URL,
    VAULT_KEYS and VAULT_ENCRYPTION_KEYS (the last two are required); MEMORY_GRAPH_DATABASE_URL and MEMORY_GRAPH_KEYS
    (required, or MEMORY_GRAPH_ALLOW_NO_KEYS=true). Stop it with Ctrl-C or TERM.

    \b
    Example:
      VAULT_KEYS=secret VAULT_ENCRYPTION_KEYS_FILE=vault.key mgw serve vault --port 9000
    """
    from ..services.serve import serve

    try:
        serve(service, host, port or _PORTS[service])
    except ValueError as error:
        raise Refused(str(error)) from error
