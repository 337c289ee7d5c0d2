"""What Registry and Vault receive: ids, queries, bodies and headers; what the schemas refuse, the services refuse, too.

Operations, parameters and fields are those of the published contracts, so that a new one is fuzzed from its first day.
"""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.delivery.messages.envelope import is_too_deep
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.services.registry import app as registry
from memory_graph_workers.services.registry.config import RegistryServiceConfig
from memory_graph_workers.services.vault import app as vault
from memory_graph_workers.services.vault.config import VaultServiceConfig
from support.fuzzing import ODD_TEXTS, TEXT, always, examples, objects
from support.lean import lean
from support.operations import Operation, edges, odd_values, operations

SETTINGS = {"VAULT_KEYS": "a-key", "VAULT_ENCRYPTION_KEYS": b64encode(bytes(32)).decode()}
ALL = operations()
FIELDS = [pytest.param(one, field, id=f"{one.name} {field}") for one in ALL for field in one.body]
PARAMETERS = [pytest.param(one, field, id=f"{one.name} {field}") for one in ALL for field in [*one.query, "x"]]
BODIES = [pytest.param(one, id=one.name) for one in ALL if one.body]
IDS = [pytest.param(one, id=one.name) for one in ALL if "{" in one.path]
LISTINGS = [one for one in ALL if one.method == "GET" and "{" not in one.path]
COUNTED, MOST = ("total_tokens", "latency_ms"), 10**12  # of a usage report
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


@pytest.mark.parametrize("one", BODIES)
@lean
def test_a_body_with_every_field_is_taken(one: Operation, services: dict[str, Flask]) -> None:
    assert is_taken(one, one.right)
    status, response = sent(services, one, right_body(one))
    assert status not in (400, 422)
    assert not any(is_invalid(entry) for entry in response.get("failed", []))


@pytest.mark.parametrize(("one", "field"), FIELDS)
def test_a_field_is_judged_as_its_schema_does(one: Operation, field: str, services: dict[str, Flask]) -> None:
    @given(odd=odd_values(one.body[field]))
    @always(edges(one.body[field]))
    @examples(6)
    def judged(odd: Any) -> None:
        judged_alike(services, one, {**one.right, field: odd})

    judged()
    assert_readable(services, one.service)


@pytest.mark.parametrize("one", BODIES)
def test_a_body_is_judged_as_its_schema_does(one: Operation, services: dict[str, Flask]) -> None:
    @given(drawn=objects(one.right))
    @examples(30)
    def judged(drawn: dict[str, Any]) -> None:
        judged_alike(services, one, drawn)

    judged()
    assert_readable(services, one.service)


@pytest.mark.parametrize(("one", "field"), PARAMETERS)
def test_no_query_is_a_500(one: Operation, field: str, services: dict[str, Flask]) -> None:
    schema = one.query.get(field, {})

    @given(odd=odd_values(schema))
    @always(edges(schema))
    @examples(6)
    def asked(odd: Any) -> None:
        value = odd if isinstance(odd, str) else json.dumps(odd)
        status, _ = sent(services, one, right_body(one), query={field: value})
        assert status < 500
        assert status == 422 or field in one.query, "a parameter that the contract does not list is refused"

    asked()


@pytest.mark.parametrize("one", IDS)
def test_no_id_is_a_500(one: Operation, services: dict[str, Flask]) -> None:
    @given(odd=TEXT)
    @always(ODD_TEXTS)
    @examples(6)
    def asked(odd: str) -> None:
        assert sent(services, one, right_body(one), quote(odd, safe="/", errors="surrogatepass"))[0] < 500

    asked()


@given(key=HEADERS, request_id=HEADERS, switch=TEXT.filter(str.isprintable).filter(str.isascii))
@example(key="", request_id="", switch="")
@example(key="k" * 256, request_id="\x85", switch="yes")
@examples(60)
def test_no_header_is_a_500(services: dict[str, Flask], key: str, request_id: str, switch: str) -> None:
    one = next(one for one in ALL if one.name == "vault POST /api/v1/archive")
    headers = {"Idempotency-Key": key, "X-Request-ID": request_id, "X-Encryption-Enabled": switch}
    assert sent(services, one, one.right, headers=headers)[0] in (200, 201, 400, 409, 422)


def right_body(one: Operation) -> Any:
    return [one.right] if one.is_batch else one.right


def judged_alike(services: dict[str, Flask], one: Operation, drawn: dict[str, Any]) -> None:
    """Send a body; in a batch, beside one that is right and that it must not take along."""
    payload = json.loads(json.dumps(drawn))
    body = [payload, one.right] if one.is_batch else payload
    status, response = sent(services, one, body)
    assert status < 500
    is_refused = status in (400, 422)
    if status == 200 and one.is_batch:
        refused = [entry for entry in response["failed"] if is_invalid(entry)]
        assert len(refused) <= 1, "an entry that is right is refused beside one that is not"
        is_refused = bool(refused)
    assert is_refused == (is_too_deep(json.dumps(body)) or not is_taken(one, payload)), "not judged alike"


def is_invalid(entry: dict[str, Any]) -> bool:
    """Whether an entry of a batch failed because it breaks its schema."""
    return entry.get("status") == 422 or entry.get("error", "").startswith("invalid")


def is_taken(one: Operation, payload: Any) -> bool:
    """Whether the schema takes it, and the contract's prose, too."""
    try:
        one.body_schema.read(payload)
    except ValidationError:
        return False
    is_counted = all(payload.get(name) is None or payload[name] <= MOST for name in COUNTED)
    return one.required <= payload.keys() and is_counted


def assert_readable(services: dict[str, Flask], service: str) -> None:
    """What was taken can be read again."""
    for one in LISTINGS:
        if one.service == service:
            assert sent(services, one, None)[0] == 200


def sent(
    services: dict[str, Flask],
    one: Operation,
    body: Any,
    id_: str = "s",
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    path = re.sub("{.*}", lambda _: id_, one.path)
    asked = "?" + urlencode(query, errors="replace") if query else ""
    known = {"Authorization": "Bearer a-key", "Content-Type": "application/json", **(headers or {})}
    data = json.dumps(body).encode() if one.body else None
    raw = {"RAW_URI": path + asked}  # as Gunicorn has it
    with services[one.service].test_client() as client:
        response = client.open(path + asked, method=one.method, data=data, headers=known, environ_overrides=raw)
        return response.status_code, json.loads(response.get_data() or b"{}")
