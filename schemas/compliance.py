"""The compliance levels of archives."""

from enum import StrEnum


class ComplianceLevel(StrEnum):
    """The rule that an archive falls under; `retention_days` is its minimum."""

    STANDARD = "standard"
    HIPAA = "hipaa"
    GDPR = "gdpr"
    PCI = "pci"
    SOC2 = "soc2"

    @property
    def retention_days(self) -> int:
        """The fewest days that an archive of this level must be kept."""
        return _LEVEL_DAYS[self]


_LEVEL_DAYS = {
    ComplianceLevel.STANDARD: 365,
    ComplianceLevel.HIPAA: 2555,
    ComplianceLevel.GDPR: 2555,
    ComplianceLevel.PCI: 1095,
    ComplianceLevel.SOC2: 2555,
}
