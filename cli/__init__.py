"""The `mgw` command."""

import sys
from importlib.util import find_spec

if find_spec("click") is None:
    sys.exit("The command line is an extra: pip install 'memory-graph-workers[all]'")
