"""Makes the fakes importable from every test (`from fakes.http_server import …`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
