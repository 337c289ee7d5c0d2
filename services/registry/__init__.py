"""The Registry: sessions, models and token usage over HTTP."""
