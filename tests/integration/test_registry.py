"""Every operation of a real LLM-Registry, once."""

import pytest
from memory_graph_workers.clients.errors import Refused
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.schemas.registry import SessionInfo, SessionStatus, UsageReport


def test_the_registry_is_up(registry: RegistryClient) -> None:
    assert registry.health_check()


def test_a_registered_session_is_active_and_can_be_read(registry: RegistryClient, session: SessionInfo) -> None:
    assert session.status is SessionStatus.ACTIVE
    assert registry.get_session(session.session_id) == session


def test_a_registered_session_is_in_the_listing(registry: RegistryClient, session: SessionInfo) -> None:
    assert registry.list_sessions(page_size=1).total >= 1
    assert session.session_id in {listed.session_id for listed in registry.iter_sessions()}


def test_a_session_can_be_completed(registry: RegistryClient, session: SessionInfo) -> None:
    changed = registry.update_session_status(session.session_id, SessionStatus.COMPLETED)
    assert changed.status is SessionStatus.COMPLETED


def test_reported_tokens_are_in_the_sums_of_session_and_model(registry: RegistryClient, session: SessionInfo) -> None:
    registry.track_usage(UsageReport(session.session_id, 100, 200, session.model_id, latency_ms=1500))
    assert registry.get_session_usage(session.session_id).total_tokens == 300
    assert registry.get_model_usage(session.model_id).total_tokens >= 300


def test_a_model_can_be_read_where_it_is_listed(registry: RegistryClient, session: SessionInfo) -> None:
    known = {model.model_id for model in registry.list_models().models}
    for model_id in known & {session.model_id} or known:
        assert registry.get_model_metadata(model_id).model_id == model_id
    with pytest.raises(Refused) as raised:
        registry.get_model_metadata("no such model/at all")
    assert raised.value.status == 404


def test_a_deleted_session_is_gone(registry: RegistryClient, session: SessionInfo) -> None:
    registry.delete_session(session.session_id)
    with pytest.raises(Refused) as raised:
        registry.get_session(session.session_id)
    assert raised.value.status == 404
