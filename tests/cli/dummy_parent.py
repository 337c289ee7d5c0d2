"""Starts a few dummies as our commands start programs, and waits."""

import os
import sys
import time
from pathlib import Path

from memory_graph_workers.cli.main import guarded
from memory_graph_workers.cli.stack.processes import Children

FAMILY = "import os, time; os.fork(); os.fork(); os.write(1, b'on'); time.sleep(300)"
STUBBORN = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.write(1, b'on'); time.sleep(300)"


def main() -> None:
    logs, grace_secs = Path(sys.argv[1]), float(sys.argv[2])
    with Children(logs, grace_secs) as children:
        children.delete_in_the_end(logs.parent)
        for number, code in enumerate((FAMILY, FAMILY, STUBBORN)):
            children.start(f"dummy-{number}", [sys.executable, "-c", code], os.environ)
        sys.stdout.write("started\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(1)
        finally:
            sys.stdout.write("stopping\n")
            sys.stdout.flush()


guarded(main)
