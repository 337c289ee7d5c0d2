"""The compliance levels of archives."""

from enum import StrEnum


class ComplianceLevel(StrEnum):
    """The rule an archive is kept under: `retention_days` by default, and `least_days` at least."""

    STANDARD = "standard"
    HIPAA = "hipaa"
    GDPR = "gdpr"
    PCI = "pci"
    SOC2 = "soc2"

    @property
    def retention_days(self) -> int:
        """Days that an archive is kept if nobody chose."""
        return _LEVEL_DAYS[self]

    @property
    def least_days(self) -> int:
        """Days that the level asks an archive to be kept; `standard` asks for none."""
        return 1 if self is ComplianceLevel.STANDARD else self.retention_days


_LEVEL_DAYS = {
    ComplianceLevel.STANDARD: 365,
    ComplianceLevel.HIPAA: 2555,
    ComplianceLevel.GDPR: 2555,
    ComplianceLevel.PCI: 1095,
    ComplianceLevel.SOC2: 2555,
}
