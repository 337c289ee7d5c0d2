"""The `mgw` command."""

import sys
from importlib.util import find_spec

from .extras import install_hint

if find_spec("click") is None:
    sys.exit(f"The command line is an extra: {install_hint()}")
