"""Example programs, and the conversations that `mgw demo` archives."""
