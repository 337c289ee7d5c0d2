"""Two faults, and what they do to jobs of ours and of others: see `benchmarks/compare.py`."""
