"""Puts the work of archiving on the queue: `python sending_archiving.py sweep|plain MANY`."""

import json
import sys


def main(kind: str, many: int) -> None:
    """Send one sweep, or a task a session."""
    if kind == "sweep":
        from memory_graph_workers.tasks.archival.tasks import sweep

        sweep.delay()
    else:
        from peers.plain import archive_session

        for number in range(many):
            archive_session.delay(f"session-{number:08}")
    print(json.dumps({"sent": many}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
