"""`mgw metrics`: metrics of queues, workers, services, dead letters and sweeps, for Prometheus."""

import logging
import signal
import threading

import click

from ..target import app_option, target_of
from ..terminal.failure import Refused

_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

logger = logging.getLogger(__name__)


@click.command(name="metrics")
@app_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=9540, show_default=True, help="Port to listen on.")
def command(app_name: str | None, host: str, port: int) -> None:
    """Serve metrics for Prometheus: /metrics, and /healthz, which is 200 while Redis answers and 503 else.

    Each scrape reads Redis, within three seconds. While Redis is away, mgw_redis_up is 0, and what is in it is left
    out. It tells names of tasks, queues and services, and numbers, but no arguments, results or ids; it asks for no
    password and speaks no TLS. Stop it with Ctrl-C or TERM.

    \b
    Example:
      mgw metrics --port 9540
      mgw metrics --app shop:app --host 0.0.0.0
    """
    target = target_of(app_name)
    from prometheus_client import disable_created_metrics

    from ...tasks.logs import set_up
    from .exporter import Exporter
    from .http_server import HttpServer

    # Blocked before any thread starts. A handler that sets an event that this thread waits for can deadlock.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    set_up()
    disable_created_metrics()  # when each counter began: twice the text, and nobody asks
    exporter = Exporter(target)
    try:
        server = HttpServer(host, port, exporter)
    except OSError as error:
        raise Refused(f"Cannot listen on {host}, port {port}: {error.strerror}. Try another --port.") from error
    exporter.events.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logger.info("Listening on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
    if signal.sigwait(_STOPS) == signal.SIGINT:
        raise KeyboardInterrupt
