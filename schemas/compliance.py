"""The compliance levels that archives are kept under."""

from enum import StrEnum


class ComplianceLevel(StrEnum):
    """The rule an archive is kept under; `retention_days` is its floor."""

    STANDARD = "standard"
    HIPAA = "hipaa"
    GDPR = "gdpr"
    PCI = "pci"
    SOC2 = "soc2"

    @property
    def retention_days(self) -> int:
        """Days that the level asks an archive to be kept."""
        return _LEVEL_DAYS[self]


_LEVEL_DAYS = {
    ComplianceLevel.STANDARD: 365,
    ComplianceLevel.HIPAA: 2555,
    ComplianceLevel.GDPR: 2555,
    ComplianceLevel.PCI: 1095,
    ComplianceLevel.SOC2: 2555,
}
