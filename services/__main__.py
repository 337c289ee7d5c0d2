"""`python -m memory_graph_workers.services registry|vault|memory-graph`."""

import argparse
import sys

from .serve import DEFAULT_PORTS, serve


def main() -> int:
    """Serve until SIGTERM; return 2 if the settings are wrong."""
    parser = argparse.ArgumentParser(prog="memory_graph_workers.services")
    parser.add_argument("service", choices=sorted(DEFAULT_PORTS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=None)
    chosen = parser.parse_args()
    try:
        serve(chosen.service, chosen.host, chosen.port or DEFAULT_PORTS[chosen.service])
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
