"""Why a service refused: a reason of the contract and its facts come through, its own words never do."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from memory_graph_workers.clients.errors import NotFound, Refused
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.fields import parse_timestamp
from memory_graph_workers.schemas.refusals import RefusalReason
from memory_graph_workers.schemas.registry import SessionStatus
from support.fakes.http_server import FakeServer, answer

TOLD = "canary said the person"
UNTIL = "2027-01-01T12:30:00.5Z"
KEPT = {"code": 409, "status": "Conflict", "message": TOLD, "reason": "retention_not_over", "kept_until": UNTIL}


def refused(server: FakeServer, call: Callable[[], Any], body: Any, status: int = 409) -> Refused:
    server.answers(answer(status, body))
    with pytest.raises(Refused) as caught:
        call()
    assert TOLD not in f"{caught.value!r} {caught.value} {vars(caught.value)} {pickle.dumps(caught.value)!r}"
    return caught.value


@pytest.mark.parametrize("moment", [UNTIL, "2027-01-01T14:30:00.5+02:00", "2027-01-01t12:30:00.500000z"])
def test_a_delete_before_its_time_says_until_when_the_archive_is_kept(
    server: FakeServer, vault: VaultClient, moment: str
) -> None:
    body = {**KEPT, "kept_until": moment, "grown": TOLD}
    error = refused(server, lambda: vault.delete_archive("a"), body)
    assert str(error).startswith(
        "vault.delete_archive: kept until 2027-01-01T12:30:00.500000Z: retention is not over (status 409, request "
    )
    assert error.fields == {"reason": "retention_not_over", "kept_until": "2027-01-01T12:30:00.500000Z"}
    assert error.refusal is not None
    assert (error.refusal.reason, error.refusal.kept_until) == (
        RefusalReason.RETENTION_NOT_OVER,
        parse_timestamp(UNTIL),
    )


@pytest.mark.parametrize("status", SessionStatus)
@pytest.mark.parametrize("reason", [reason for reason in RefusalReason if "session" in reason or "status" in reason])
def test_a_status_that_cannot_follow_says_what_the_session_is(
    server: FakeServer, registry: RegistryClient, reason: RefusalReason, status: SessionStatus
) -> None:
    body = {"code": 409, "message": TOLD, "reason": reason, "session_status": status}
    error = refused(server, lambda: registry.update_session_status("s", SessionStatus.COMPLETED), body)
    assert error.message.startswith(f"the session is {status}: ")
    assert error.fields == {"reason": reason, "session_status": status}


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_known_reason_survives_the_way_to_the_caller(
    server: FakeServer, vault: VaultClient, reason: RefusalReason
) -> None:
    error = refused(server, lambda: vault.apply_retention_policy("a", "p"), {"code": 409, "reason": reason})
    again: Refused = pickle.loads(pickle.dumps(error))
    assert (error.refusal and error.refusal.reason, again.refusal) == (reason, error.refusal)
    assert again.message == error.message != "Conflict"


@pytest.mark.parametrize(
    "body",
    [
        TOLD,
        [KEPT],
        {"error": KEPT},
        {name: value for name, value in KEPT.items() if name != "code"},
        *({**KEPT, "code": code} for code in (404, "409", None, TOLD)),
        *({**KEPT, "reason": reason} for reason in (TOLD, f"retention_not_over {TOLD}", None, [TOLD], {"a": TOLD})),
        *({**KEPT, "kept_until": moment} for moment in (TOLD, f"{UNTIL} {TOLD}", [UNTIL], 1_800_000_000, {"a": TOLD})),
        {**KEPT, "session_status": TOLD},
        json.dumps({"padding": "x" * 70_000, **KEPT}),
    ],
    ids=lambda body: repr(body)[:80],
)
def test_a_response_of_another_form_says_no_more_than_its_status(
    server: FakeServer, vault: VaultClient, body: Any
) -> None:
    error = refused(server, lambda: vault.delete_archive("a"), body)
    assert (error.message, error.fields, error.refusal) == ("Conflict", None, None)


def test_a_reason_of_a_newer_release_in_a_stored_error_is_none() -> None:
    assert Refused("x", fields={"reason": "newer"}).refusal is None


def test_a_404_of_the_contract_stays_one(server: FakeServer, vault: VaultClient) -> None:
    error = refused(server, lambda: vault.retrieve_session("a"), {**KEPT, "code": 404}, 404)
    assert isinstance(error, NotFound)
