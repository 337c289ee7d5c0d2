"""What Registry and Vault receive: bodies, queries and headers; what the schemas refuse, the services refuse, too."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionRegistrationSchema, StatusUpdateSchema, UsageReportSchema
from memory_graph_workers.schemas.vault import ArchiveEntrySchema, RetentionPolicySchema
from memory_graph_workers.services.registry import app as registry
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.vault import app as vault
from memory_graph_workers.services.vault.config import VaultServiceConfig
from support.fuzzing import TEXT, examples, objects

MOMENT = "2026-01-31T12:00:00Z"
SETTINGS = {"VAULT_KEYS": "a-key", "VAULT_ENCRYPTION_KEYS": b64encode(bytes(32)).decode()}
POSTS: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "session": ("registry", "/api/v1/sessions", SessionRegistrationSchema(), {"session_id": "s", "model_id": "m"}),
    "usage": ("registry", "/api/v1/usage", UsageReportSchema(),
              {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "timestamp": MOMENT}),
    "status": ("registry", "/api/v1/sessions/s/status", StatusUpdateSchema(), {"status": "active"}),
    "entry": ("vault", "/api/v1/archive", ArchiveEntrySchema(),
              {"id": "a", "session_id": "s", "data": {}, "retention_days": 5, "archived_at": MOMENT}),
    "policy": ("vault", "/api/v1/policies", RetentionPolicySchema(),
               {"policy_id": "p", "name": "n", "retention_days": 9000, "compliance_level": "hipaa"}),
}  # fmt: skip
HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flask]:
    folder: Path = tmp_path_factory.mktemp("services")
    made: dict[str, Flask] = {}
    for name, service, kind in [("registry", registry, RegistryServiceConfig), ("vault", vault, VaultServiceConfig)]:
        address = {f"{name.upper()}_DATABASE_URL": f"sqlite:///{folder}/{name}.db"}
        config: Any = kind.from_env({**SETTINGS, **address})
        service.prepare(config)
        made[name] = service.make_app(config, threads=1)
    return made


@pytest.mark.parametrize("name", POSTS)
def test_a_service_refuses_what_its_schema_refuses(name: str, services: dict[str, Flask]) -> None:
    service, path, schema, right = POSTS[name]

    @given(drawn=objects(right))
    @examples(25)
    def judged_alike(drawn: dict[str, Any]) -> None:
        payload = json.loads(json.dumps(drawn))
        status = sent(services[service], path, json.dumps(payload).encode(), {}, "PUT" if name == "status" else "POST")
        try:
            schema.read(payload)
        except ValidationError:
            assert status in (400, 422)
        else:
            assert status < 500

    judged_alike()


@given(key=HEADERS, request_id=HEADERS, switch=TEXT.filter(str.isprintable).filter(str.isascii))
@example(key="", request_id="", switch="")
@example(key="k" * 256, request_id="\x85", switch="yes")
@examples(60)
def test_no_header_is_a_500(services: dict[str, Flask], key: str, request_id: str, switch: str) -> None:
    body = json.dumps({"id": "a", "session_id": "s", "data": {}, "retention_days": 5}).encode()
    headers = {"Idempotency-Key": key, "X-Request-ID": request_id, "X-Encryption-Enabled": switch}
    assert sent(services["vault"], "/api/v1/archive", body, headers) in (200, 201, 400, 409, 422)


@given(query=st.dictionaries(st.sampled_from(["page", "page_size", "status", "started_before", "x"]), TEXT, max_size=3))
@examples(60)
def test_no_query_is_a_500(services: dict[str, Flask], query: dict[str, str]) -> None:
    named = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    with services["registry"].test_client() as client:
        assert client.get("/api/v1/sessions", query_string=named).status_code in (200, 422)


def sent(app: Flask, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> int:
    known = {"Authorization": "Bearer a-key", "Content-Type": "application/json", **headers}
    with app.test_client() as client:
        response = client.open(path, method=method, data=body, headers=known)
        json.loads(response.get_data() or b"{}")
        return response.status_code
