"""`mgw demo`: the whole system archives real conversations."""
