"""Makes the benchmarks importable; nothing here needs the peers' packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))
