"""Reads what `kubectl kustomize` makes of deploy/kubernetes, so that the rig runs it as it runs docker-compose.yml."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml
from deployment.compose_file import ROOT
from deployment.probes import Connection, Exec

FOLDER = ROOT / "deploy" / "kubernetes"
MISSING = (
    "kubectl is missing, which puts the manifests together. Install it: https://kubernetes.io/docs/tasks/tools/ "
    "(Debian 13 and newer: apt-get install kubernetes-client)"
)
_KINDS = ("startupProbe", "readinessProbe", "livenessProbe")
_WORKLOADS = ("StatefulSet", "Deployment", "CronJob")
_VARIABLE = re.compile(r"\$\((\w+)\)")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """What runs in a pod, as its manifest states it."""

    name: str
    stated: Document
    pod: Document
    settings: Mapping[str, Mapping[str, str]]
    """The data of each ConfigMap."""

    @property
    def command(self) -> list[str]:
        """What runs, with the variables that Kubernetes fills in; the entrypoint of an image is not known here."""
        environment = self.environment
        words = [*self.stated.get("command", ()), *self.stated.get("args", ())]
        return [_VARIABLE.sub(lambda found: environment[found[1]], word) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        """What its ConfigMaps and itself set."""
        maps = [self.settings[source["configMapRef"]["name"]] for source in self.stated.get("envFrom", ())]
        own = {variable["name"]: variable["value"] for variable in self.stated.get("env", ())}
        return {name: value for data in maps for name, value in data.items()} | own

    @property
    def probes(self) -> list[Exec | Connection]:
        """Its different probes: most are asked in several intervals for several ends."""
        return list(dict.fromkeys(self._probe(self.stated[kind]) for kind in _KINDS if kind in self.stated))

    @property
    def mounts(self) -> dict[str, str]:
        """Each mount point and the name of its volume."""
        return {mount["mountPath"]: mount["name"] for mount in self.stated.get("volumeMounts", ())}

    @property
    def grace_secs(self) -> int:
        return self.pod["terminationGracePeriodSeconds"]

    @property
    def stop_signal(self) -> str:
        """What the image states, and not the manifest."""
        return "SIGINT" if self.name == "postgres" else "SIGTERM"

    @property
    def needs(self) -> dict[str, str]:
        """Nothing: what needs another part starts again until that is there."""
        return {}

    @property
    def before(self) -> "list[Container]":
        """What must have run to its end before."""
        return [
            Container(stated["name"], stated, self.pod, self.settings) for stated in self.pod.get("initContainers", ())
        ]

    def _probe(self, stated: Document) -> Exec | Connection:
        if "exec" in stated:
            return Exec(tuple(stated["exec"]["command"]))
        asked = stated.get("httpGet") or stated["tcpSocket"]
        (port,) = (port["containerPort"] for port in self.stated["ports"] if port["name"] == asked["port"])
        return Connection(str(port), asked.get("path"))


class Manifests:
    """The objects of an overlay, and what its workloads run."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents = documents
        self.workloads = {_name(one): one for kind in _WORKLOADS for one in self.of(kind)}
        settings = {_name(one): one["data"] for one in self.of("ConfigMap")}
        self.services = {
            name: Container(name, pod["spec"]["containers"][0], pod["spec"], settings)
            for name, pod in self.pods.items()
        }

    @property
    def pods(self) -> dict[str, Document]:
        """The template of each workload's pods."""
        return {name: _template(one) for name, one in self.workloads.items()}

    def of(self, kind: str) -> list[Document]:
        """The objects of a kind."""
        return [one for one in self.documents if one["kind"] == kind]

    def in_order(self) -> Iterator[Container]:
        """What stays: no part comes before another."""
        yield from (container for container in self.services.values() if container.probes)


@cache
def manifests(overlay: str) -> Manifests:
    """An overlay as kustomize makes it; skips the test, or fails it in CI, if kubectl is missing."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    made = subprocess.run([kubectl, "kustomize", FOLDER / "overlays" / overlay], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    return Manifests(list(yaml.safe_load_all(made.stdout)))


def workers_wanted(values: Mapping[str, float]) -> float:
    """What KEDA's formula makes of its triggers' values; it means the same in Python as in KEDA's language."""
    (scaled,) = manifests("managed").of("ScaledObject")
    formula = scaled["spec"]["advanced"]["scalingModifiers"]["formula"]
    return eval(formula, {"__builtins__": {}, "min": min, "max": max}, dict(values))


def _name(document: Document) -> str:
    return document["metadata"]["name"]


def _template(workload: Document) -> Document:
    spec = workload["spec"]
    return (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
