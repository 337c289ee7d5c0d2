"""`mgw flower`: monitor workers, tasks and queues in a browser, behind a password."""

import os
from collections.abc import Iterable

import click

from ..target import target_of
from ..terminal.failure import Refused
from .config import FlowerConfig


@click.command(name="flower")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="Port to listen on.")
def command(address: str, port: int) -> None:
    """Watch workers, tasks and queues in a browser, and act on queues, sweeps and dead letters, behind a password.

    Flower shows names, ids, states and sizes, but never arguments or results; a dead letter's payload only with
    FLOWER_SHOW_PAYLOADS=true. Anyone who has the password can run and revoke any task, stop workers, hold queues and
    delete dead letters, unless FLOWER_READ_ONLY=true. It needs the broker's address
    (REDIS_URL or CELERY_BROKER_URL) and FLOWER_BASIC_AUTH=USER:PASSWORD; Prometheus needs the password, too,
    to read /metrics. Only /healthcheck is open. Flower serves plain HTTP. Stop it with Ctrl-C or TERM.

    \b
    Example:
      FLOWER_BASIC_AUTH=admin:8f4e2b7c61d093a5 mgw flower --port 5555
    """
    _without_results()
    from ...tasks.app import mistakes
    from .monitor import run

    config = _settings(mistakes)
    try:
        run(target_of(None), config, address, port)
    except OSError as error:
        raise Refused(f"Cannot listen on {address}, port {port}: {error.strerror}. Try another --port.") from error


def _without_results() -> None:
    """Give Flower no result backend, before anything reads its address: results may be conversations."""
    os.environ.pop("CELERY_RESULT_BACKEND_FILE", None)
    os.environ["CELERY_RESULT_BACKEND"] = "disabled://"


def _settings(mistakes: Exception | None) -> FlowerConfig:
    """Flower's settings.

    Raises: Refused with everything that is wrong, including the broker's settings and variables that would open Flower.
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
    """The variables that would let people into Flower or that `celery flower` would read, and why we refuse them."""
    from flower.options import options  # pyright: ignore[reportMissingTypeStubs]

    # Kubernetes sets FLOWER_PORT if a service is called flower.
    taken = {described.name for _, described, _ in FlowerConfig.table()} | {"FLOWER_PORT"}
    known = {f"FLOWER_{name.upper().replace('-', '_')}" for name in options} | {"FLOWER_UNAUTHENTICATED_API"}
    return [(name, _why(name)) for name in sorted((known - taken) & set(environ))]


def _why(name: str) -> str:
    if name == "FLOWER_ADDRESS":
        return "use --address instead."
    if name == "FLOWER_UNAUTHENTICATED_API":
        return "the API is never open without a password."
    return "mgw flower ignores it; only FLOWER_BASIC_AUTH decides who may log in."
