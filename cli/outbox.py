"""`mgw outbox`: send the tasks that wait in an application's own database."""

import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from .extras import install_hint
from .target import target_of
from .terminal.failure import Failure, Refused
from .terminal.output import show_json

if TYPE_CHECKING:
    from ..outbox.relay import Relay
    from ..outbox.running import Totals

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command(name="outbox")
@click.option("--once", is_flag=True, help="Send what waits now, and end; for cron.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port for /metrics and /healthz; without it, none.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address to listen on for them.")
def command(once: bool, as_json: bool, metrics_port: int | None, metrics_host: str) -> None:
    """Send the tasks that wait in the outbox of your application's database, until Ctrl-C or TERM.

    Needs OUTBOX_DATABASE_URL and the broker's address. A row is deleted once the broker has its task, which has the
    row's id; one that cannot be sent becomes a dead letter (mgw dead list). While the database or the broker is away,
    it waits. Several may run on PostgreSQL at the same time, each with other rows; on SQLite run one. With
    --metrics-port, Prometheus may ask it how many rows wait and for how long, and /healthz is 200 while the database
    says so, and 503 else.

    \b
    Example:
      OUTBOX_DATABASE_URL=postgresql://app@db.example/app mgw outbox --metrics-port 9541
      mgw outbox --once --json
    """
    if once and metrics_port:
        raise click.UsageError("--once and --metrics-port contradict each other: nobody could ask in time.")
    target_of(None)  # which refuses wrong settings of the broker
    from ..clients.errors import InvalidConfig
    from ..outbox.config import OutboxConfig
    from ..outbox.relay import Relay
    from ..outbox.rows import outbox_engine
    from ..outbox.running import Totals
    from ..tasks.logs import set_up

    try:
        config = OutboxConfig.from_env()
    except InvalidConfig as error:
        raise Refused(str(error)) from error
    set_up()
    relay, totals, stop = Relay(outbox_engine(config.database_url)), Totals(), _Stop()
    if metrics_port:
        _serve_metrics(config.database_url, totals, metrics_host, metrics_port)
    try:
        _run(relay, totals, stop, once=once)
    finally:
        _tell(relay, totals, as_json)
    if stop.by == signal.SIGINT:
        raise KeyboardInterrupt


class _Stop:
    """Notes the signal that ends the relay, which then finishes its batch; a second one ends it at once."""

    def __init__(self) -> None:
        self.by = 0
        for number in _STOPS:
            signal.signal(number, self._note)

    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self.by != 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.by:
            sys.exit(128 + number)
        self.by = number


def _serve_metrics(url: str, totals: "Totals", host: str, port: int) -> None:
    try:
        from ..outbox.metrics import RelayMetrics
        from .metrics.http_server import HttpServer
    except ImportError as missing:
        raise Refused(f"Metrics need {missing.name}: {install_hint('monitoring')}") from missing
    try:
        server = HttpServer(host, port, RelayMetrics(url, totals))
    except OSError as error:
        raise Refused(f"Cannot listen on {host}, port {port}: {error.strerror}. Try another port.") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _run(relay: "Relay", totals: "Totals", stop: _Stop, *, once: bool) -> None:
    from ..outbox.running import Away, Running, send_all
    from ..outbox.table import MissingTable

    try:
        if once:
            send_all(relay, totals, stop.is_asked)
        else:
            click.echo("Sending what comes into the outbox. Stop it with Ctrl-C or TERM.", err=True)
            Running(relay, totals, stop.is_asked).until_stopped()
    except Away as error:
        raise Failure(f"Not all was sent: {error}. The rows stay: run it again.") from error
    except MissingTable as error:
        raise Failure(f"{error} Or is OUTBOX_DATABASE_URL another database?") from error


def _tell(relay: "Relay", totals: "Totals", as_json: bool) -> None:
    from ..outbox.rows import backlog_of
    from ..outbox.running import shown

    waiting = backlog_of(relay.engine)
    if as_json:
        rows, oldest_at = waiting or (None, None)
        show_json({"sent": totals.sent, "dead_letters": totals.buried, "waiting": rows, "oldest_at": oldest_at})
    else:
        click.echo(f"{totals.sent} sent, {totals.buried} set aside as dead letters; {shown(waiting)}.")
