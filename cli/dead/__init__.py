"""`mgw dead`: list, show, replay and purge dead letters."""
