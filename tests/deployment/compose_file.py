"""Reads docker-compose.yml as Compose does: variables filled in, merges made, one entry a service."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from deployment.probes import Exec

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}")
_UNITS = {"s": 1, "m": 60}


@dataclass(frozen=True)
class Service:
    """What the file states of one service."""

    name: str
    stated: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        return list(self.stated["command"])

    @property
    def environment(self) -> dict[str, str]:
        return {name: "" if value is None else str(value) for name, value in self.stated.get("environment", {}).items()}

    @property
    def probes(self) -> list[Exec]:
        """The health check, where there is one."""
        check = self.stated["healthcheck"]
        if check.get("disable"):
            return []
        kind, *words = check["test"]
        return [Exec(("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words))]

    @property
    def before(self) -> list["Service"]:
        """Nothing: what runs before is a service, too."""
        return []

    @property
    def needs(self) -> dict[str, str]:
        """What must be there before, and in which condition."""
        return {name: how["condition"] for name, how in self.stated.get("depends_on", {}).items()}

    @property
    def grace_secs(self) -> int:
        text = self.stated["stop_grace_period"]
        return int(text[:-1]) * _UNITS[text[-1]]

    @property
    def stop_signal(self) -> str:
        return self.stated.get("stop_signal", "SIGTERM")

    @property
    def mounts(self) -> dict[str, str]:
        """Each mount point and the name of its volume."""
        return dict(reversed(volume.split(":")) for volume in self.stated.get("volumes", ()))


class ComposeFile:
    """The file with one set of variables."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.document = yaml.safe_load(filled(FILE.read_text(), variables))
        self.services = {name: Service(name, stated) for name, stated in self.document["services"].items()}

    def in_order(self) -> Iterator[Service]:
        """The services that `up` starts, each after what it needs."""
        waiting = [service for service in self.services.values() if "profiles" not in service.stated]
        started: set[str] = set()
        while waiting:
            service = next(one for one in waiting if set(one.needs) <= started)
            waiting.remove(service)
            started.add(service.name)
            yield service


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Fill in every variable.

    Raises: ValueError with the file's own message where one is missing that must be there.
    """

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if name is None:
            return "$"
        if not variables.get(name) and kind == "?":
            raise ValueError(rest)
        return variables.get(name) or (rest if kind == "-" else "")

    return _VARIABLE.sub(value, text)
