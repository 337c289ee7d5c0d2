"""A real Prometheus that scrapes and evaluates every second."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port, http_status
from monitoring.rules import FOLDER, shortened
from support.promtool import prometheus_program
from support.waiting import LONGEST_SECS, SOON_SECS, until


class Prometheus:
    """The example of deploy/prometheus with other addresses, and with its rules shortened."""

    def __init__(self, folder: Path, exporter: int, producer: int) -> None:
        """Start it; both are ports of this host."""
        self.port, self._log = free_port(), folder / "prometheus.log"
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (ours,) = config["scrape_configs"]
        ours["static_configs"] = [{"targets": [f"{LOOPBACK}:{exporter}"]}]
        config["scrape_configs"] += [
            {"job_name": "producers", "static_configs": [{"targets": [f"{LOOPBACK}:{producer}"]}]}
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "alerts.yml").write_text(shortened())
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"{LOOPBACK}:{self.port}",
            "log.level": "warn",
        }
        command = [prometheus_program("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_ready(self) -> None:
        """Return when it has scraped, and no alert fires any more: it finds its targets only after some seconds."""
        until(lambda: http_status(self.port, "/-/ready") == 200, self._log.read_text)
        until(lambda: paced(self.query("mgw_workers") and not self.query("ALERTS")), lambda: self.query("ALERTS"))
        self._began = time.monotonic()

    def query(self, expression: str) -> list[Any]:
        """What an expression is now: series, each with its labels and its value.

        Raises: urllib.error.HTTPError if it cannot be read.
        """
        url = f"http://{LOOPBACK}:{self.port}/api/v1/query?{urlencode({'query': expression})}"
        with urlopen(url, timeout=SOON_SECS) as response:
            return json.load(response)["data"]["result"]

    @property
    def fired(self) -> set[str]:
        """The alerts that have fired since it was ready."""
        secs = max(1, int(time.monotonic() - self._began))
        found = self.query(f'count by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{secs}s]))')
        return {one["metric"]["alertname"] for one in found}

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(LONGEST_SECS)


def paced(seen: object) -> object:
    """What was seen, after a pause where it is not there yet: Prometheus evaluates once a second."""
    if not seen:
        time.sleep(0.3)
    return seen
