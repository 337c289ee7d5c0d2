"""The `mgw` command."""
