"""How commands write to a terminal: tables, progress, failures."""
