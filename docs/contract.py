"""The OpenAPI documents under docs/contract, generated from the code.

`python docs/contract.py` writes them; `--check` only names the files that differ.
"""

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from memory_graph_workers.services.registry import app as registry
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.vault import app as vault
from memory_graph_workers.services.vault.config import VaultServiceConfig

FOLDER = Path(__file__).parent / "contract"
# Settings that the services need to start; none of them gets into a document.
SETTINGS = {"VAULT_KEYS": "a-key", "VAULT_ENCRYPTION_KEYS": b64encode(bytes(32)).decode()}


def main() -> int:
    """Write the documents, or check them; 1 if one differs."""
    made = {FOLDER / name: make() for name, make in CONTRACTS.items()}
    differing = {path: text for path, text in made.items() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv:
        sys.stderr.writelines(f"{path.name} differs from the code; run: make contract\n" for path in differing)
        return int(bool(differing))
    FOLDER.mkdir(exist_ok=True)
    for path, text in differing.items():
        path.write_text(text)
    return 0


def openapi(service: Any, config: Any) -> str:
    """The OpenAPI document of a service."""
    app: Flask = service.make_app(config.from_env(SETTINGS), threads=1)
    return written(app.test_client().get("/openapi.json").json)


def written(document: Any) -> str:
    """The text of a document: indented, because a person reads it, and in ASCII, so that nothing in it is invisible."""
    return json.dumps(document, indent=2) + "\n"


CONTRACTS: dict[str, Callable[[], str]] = {
    "registry.openapi.json": lambda: openapi(registry, RegistryServiceConfig),
    "vault.openapi.json": lambda: openapi(vault, VaultServiceConfig),
}

if __name__ == "__main__":
    sys.exit(main())
