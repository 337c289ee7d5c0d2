"""The doctor's settings: what it cannot read from the servers themselves."""

from dataclasses import dataclass

from marshmallow import fields, validate

from ...schemas.settings import Settings, setting

AOF, MANAGED = "aof", "managed"


@dataclass(frozen=True)
class DoctorConfig(Settings):
    """What the doctor is told."""

    persistence: str = setting(
        "REDIS_PERSISTENCE",
        fields.String(validate=validate.OneOf([AOF, MANAGED])),
        AOF,
        "`managed` if a provider keeps the data of Redis without an append-only file; `mgw doctor` then asks for none.",
    )
