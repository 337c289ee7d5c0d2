"""A producer may be a task of another app, in a worker of its own: that worker stays as it is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PRODUCER = """
from celery import Celery
from memory_graph_workers.tasks.registry import track_usage
app = Celery("producer", broker="memory://")
"""


def test_the_worker_of_another_app_needs_none_of_our_settings_and_keeps_its_log(tmp_path: Path) -> None:
    (tmp_path / "producer.py").write_text(PRODUCER)
    command = [sys.executable, "-m", "celery", "-A", "producer", "worker", "--pool", "solo", "-l", "INFO"]
    environ = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    worker = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    try:
        assert worker.stderr is not None
        for line in worker.stderr:
            lines.append(line)
            if "ready" in line:
                break
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
    assert "ready" in lines[-1], "".join(lines)
    assert lines[-1].startswith("["), lines[-1]
