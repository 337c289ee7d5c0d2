"""Kubernetes' schemas, from kubernetes-validate, which itself reads all definitions again for each object."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource


def mistakes(document: dict[str, Any], version: str) -> list[str]:
    """What a server of this version says against an object; a field that it does not know is a mistake, too."""
    group, _, api = document["apiVersion"].rpartition("/")
    name = "-".join(filter(None, (document["kind"].lower(), group.partition(".")[0], api)))
    schema = json.loads((_folder(version) / f"{name}.json").read_text())
    found = Draft202012Validator(schema, registry=_registry(version)).iter_errors(document)
    return [f"{document['kind']} {document['metadata']['name']}: {one.json_path}: {one.message}" for one in found]


def _folder(version: str) -> Path:
    schemas = files("kubernetes_validate") / "kubernetes-json-schema"
    return Path(str(schemas / f"v{version}.0-local-strict"))


@cache
def _registry(version: str) -> Registry[Any]:
    definitions = json.loads((_folder(version) / "_definitions.json").read_text())
    return Resource.from_contents(definitions) @ Registry()
