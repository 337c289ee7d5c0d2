"""Makes what builds the site importable; nothing here needs Zensical."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "docs" / "website"))
