"""`mgw demo`: run the whole system on real conversations."""
