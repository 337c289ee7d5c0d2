"""Traces: what a process that uses OpenTelemetry records and passes on, and nothing in any other process."""
