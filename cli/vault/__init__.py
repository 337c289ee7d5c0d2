"""`mgw vault`: rotate keys, and delete archives whose retention has ended."""
