"""`mgw migrate`: create or migrate the tables of the reference services' databases."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from .terminal.failure import Failure, Refused
from .terminal.output import show_json

if TYPE_CHECKING:
    from ..services.database.migrate import DatabaseStatus, Migrations

_SERVICES = ["registry", "vault", "memory-graph"]


@click.command(name="migrate")
@click.argument("services", metavar="[SERVICE]...", nargs=-1, type=click.Choice(_SERVICES))
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a migration is due.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(services: tuple[str, ...], check: bool, as_json: bool) -> None:
    """Create or migrate the tables of registry, vault and memory-graph (default: all three).

    Reads the services' settings: DATABASE_URL, REGISTRY_DATABASE_URL, VAULT_DATABASE_URL,
    MEMORY_GRAPH_DATABASE_URL. Each migration is atomic, and only one runs at a time. Make a backup first.

    \b
    Example:
      DATABASE_URL=postgresql://mgw@db.example/mgw mgw migrate --check
    """
    reports = [_report(migrations, check) for migrations in _chosen(services or _SERVICES)]
    if as_json:
        show_json({"services": reports})
    else:
        for report in reports:
            click.echo(f"{report['service']}: {_line(report)}")
    if any(report["error"] or report["is_due"] for report in reports):
        raise click.exceptions.Exit(Failure.exit_code)


def _chosen(services: Iterable[str]) -> "list[Migrations]":
    from ..services.databases import migrations_of

    try:
        return [migrations_of(service) for service in services]
    except ValueError as error:
        raise Refused(str(error)) from error


def _report(migrations: "Migrations", check: bool) -> dict[str, Any]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _told(migrations.status() if check else migrations.upgrade(), check)
    except ValueError as error:
        why = str(error)
    except SQLAlchemyError as error:
        why = f"The database does not answer ({type(error.__cause__ or error).__name__})."
    return {"service": migrations.service, "found": None, "wanted": None, "is_due": False, "error": why}


def _told(status: "DatabaseStatus", check: bool) -> dict[str, Any]:
    return {
        "service": status.service,
        "found": status.found,
        "wanted": status.wanted,
        "is_due": check and status.is_due,
        "error": None if status.is_due or status.is_current else status.explain(),
    }


def _line(report: dict[str, Any]) -> str:
    found, wanted = report["found"] or "nothing", report["wanted"]
    if report["error"]:
        return str(report["error"])
    if report["is_due"]:
        return f"has {found}, needs {wanted}; run: mgw migrate {report['service']}"
    return f"at {wanted}" if found == wanted else f"brought from {found} to {wanted}"
