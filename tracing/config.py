"""The settings of traces that this package reads; OpenTelemetry's SDK reads its others by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from marshmallow import fields
from marshmallow.validate import OneOf

from ..schemas.settings import Settings, setting

_NOWHERE = "none"
_BY_PROTOCOL = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


@dataclass(frozen=True)
class TracingConfig(Settings):
    """Where workers and services send what they record."""

    exporter: str = setting(
        "OTEL_TRACES_EXPORTER",
        fields.String(),
        _NOWHERE,
        "Where workers and services send traces: `otlp`, or the name of another exporter that is installed.",
    )
    protocol: str = setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        fields.String(validate=OneOf([*_BY_PROTOCOL])),
        "http/protobuf",
        "How `otlp` sends them: `http/protobuf` or `grpc`.",
    )

    @property
    def is_on(self) -> bool:
        """Whether traces are sent anywhere."""
        return self.exporter != _NOWHERE

    def mistakes(self) -> Iterator[str]:
        """Refuse an exporter that is not installed."""
        if self.is_on and self.exporter_class() is None:
            yield (
                f"exporter (OTEL_TRACES_EXPORTER): no exporter {self._name} is installed; install the extra [tracing] "
                "and an exporter, such as opentelemetry-exporter-otlp-proto-http, or set it to none."
            )

    def exporter_class(self) -> Any:
        """Return the class of the exporter; None if it, or what it needs, is not installed."""
        for found in entry_points(group="opentelemetry_traces_exporter", name=self._name):
            try:
                return found.load()
            except ImportError:
                return None
        return None

    @property
    def _name(self) -> str:
        return _BY_PROTOCOL[self.protocol] if self.exporter == "otlp" else self.exporter
