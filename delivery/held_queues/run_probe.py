"""`python -m …delivery.held_queues.run_probe MODULE:FUNCTION SERVICE`: exit code 0 where a service is up."""

import sys

from kombu.utils.imports import symbol_by_name

if __name__ == "__main__":
    sys.exit(0 if symbol_by_name(sys.argv[1])(sys.argv[2]) else 1)
