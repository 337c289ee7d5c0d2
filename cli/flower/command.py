"""`mgw flower`: the monitor of workers, tasks and queues, behind a password."""

import os
from collections.abc import Iterable

import click

from ..terminal.failure import Refused
from .config import FlowerConfig


@click.command(name="flower")
@click.option("--address", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="The port.")
def command(address: str, port: int) -> None:
    """Watch workers, tasks and queues in a browser, behind a password.

    It shows names, ids, states and sizes, never arguments or results. Whoever has the password can run and
    revoke any task and stop workers, unless FLOWER_READ_ONLY=true. It needs the broker's address (REDIS_URL
    or CELERY_BROKER_URL) and FLOWER_BASIC_AUTH=USER:PASSWORD, which Prometheus needs too for /metrics.
    Without them there is /healthcheck alone. It speaks plain HTTP. Ctrl-C or TERM ends it.

    \b
    Example:
      FLOWER_BASIC_AUTH=admin:8f4e2b7c61d093a5 mgw flower --port 5555
    """
    _without_results()
    from ...tasks.app import app, mistakes
    from .monitor import run

    config = _settings(mistakes)
    try:
        run(app, config, address, port)
    except OSError as error:
        raise Refused(f"Cannot listen on {address}, port {port}: {error.strerror}. Try another --port.") from error


def _without_results() -> None:
    """Give Flower no store of results, before anything reads where one is: they may be conversations."""
    os.environ.pop("CELERY_RESULT_BACKEND_FILE", None)
    os.environ["CELERY_RESULT_BACKEND"] = "disabled://"


def _settings(mistakes: Exception | None) -> FlowerConfig:
    """Read the settings.

    Raises: Refused with all that is wrong, the broker's settings and what would open Flower included.
    """
    wrong = [str(mistakes)] if mistakes else []
    wrong += [f"Unset {name}: {why}" for name, why in unwanted(os.environ)]
    try:
        config = FlowerConfig.from_env()
    except ValueError as error:
        raise Refused("\n".join([str(error), *wrong])) from error
    if wrong:
        raise Refused("\n".join(wrong))
    return config


def unwanted(environ: Iterable[str]) -> list[tuple[str, str]]:
    """Variables that would open Flower, or that it would read if Celery started it, and why they are refused."""
    from flower.options import options  # pyright: ignore[reportMissingTypeStubs]

    # Kubernetes sets FLOWER_PORT where a service is called flower.
    taken = {described.name for _, described, _ in FlowerConfig.table()} | {"FLOWER_PORT"}
    known = {f"FLOWER_{name.upper().replace('-', '_')}" for name in options} | {"FLOWER_UNAUTHENTICATED_API"}
    return [(name, _why(name)) for name in sorted((known - taken) & set(environ))]


def _why(name: str) -> str:
    if name == "FLOWER_ADDRESS":
        return "say --address."
    if name == "FLOWER_UNAUTHENTICATED_API":
        return "nobody gets at the API without a password."
    return "mgw flower does not take it; who may come in is said by FLOWER_BASIC_AUTH alone."
