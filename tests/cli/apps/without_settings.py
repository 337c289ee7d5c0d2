"""An app whose module needs a setting that is not there."""

import os

os.environ["NOT_THERE"]
