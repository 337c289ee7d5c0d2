"""`mgw completion`: lets a shell complete commands and options."""
