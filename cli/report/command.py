"""`mgw report`: what became of a month's sessions, for whoever has to answer for it."""

from typing import TYPE_CHECKING

import click

from .month import MonthType

if TYPE_CHECKING:
    from .month import Month


@click.command(name="report")
@click.option("--month", type=MonthType(), required=True, metavar="YYYY-MM", help="The month, in UTC, like 2026-10.")
@click.option(
    "--format", "form", type=click.Choice(["markdown", "csv"]), help="As a document (default), or as one table."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(month: "Month", form: str | None, as_json: bool) -> None:
    """Report a month's sweeps, archives, failures and dead letters, with what cannot be known of them.

    It reads Redis, which keeps sweeps for 90 days and dead letters for DEAD_LETTERS_KEPT_DAYS: make the report soon
    after the month, and keep it. A number that may be too low is called `at least`, and one of which nothing is left
    `unknown`. There are no ids in it but those of sweeps, and no content.

    \b
    Example:
      mgw report --month 2026-10
      mgw report --month 2026-10 --format csv > 2026-10.csv
    """
    if form and as_json:
        raise click.UsageError("--format and --json contradict each other: pass one of them.")
    from rich.console import Console

    from ..answering import answering_target
    from ..terminal.output import show_json
    from .as_csv import as_csv
    from .as_markdown import markdown
    from .gathering import gather

    with Console(stderr=True).status("Reading …"):
        delivery = answering_target(None).delivery
        found = gather(month, delivery.dead_letters, delivery.bounds)
    if as_json:
        show_json(found)
    else:
        click.echo(as_csv(found) if form == "csv" else markdown(found), nl=False)
