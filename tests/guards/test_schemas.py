"""Guards over every schema there is, so that a new one cannot forget a rule of the house."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, missing
from memory_graph_workers.schemas import refusals, registry, rows, usage, vault
from memory_graph_workers.schemas.base import Payload, Request, Response, ValidationError

MODULES = (refusals, registry, rows, usage, vault)
MOMENT = "2026-01-31T12:00:00Z"
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, 0, 1, -1, 2**63, 0.5, float("nan"), "", "s", "\ud800", MOMENT, "active", "standard"]),
    st.text(max_size=3),
    st.lists(st.text(max_size=3) | st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers() | st.floats(), max_size=2),
)
SESSION = {"session_id": "s", "model_id": "m", "started_at": MOMENT, "status": "active"}
MODEL = {"model_id": "m", "version": "1", "provider": "p", "created_at": MOMENT}

# The least that each schema accepts.
LEAST: dict[type[Payload[Any]], dict[str, Any]] = {
    registry.SessionRegistrationSchema: {"session_id": "s", "model_id": "m"},
    registry.SessionInfoSchema: SESSION,
    registry.SessionListSchema: {"sessions": [SESSION], "total": 1},
    registry.FoundSessionsSchema: {"sessions": [SESSION]},
    registry.StatusUpdateSchema: {"status": "archived"},
    registry.StatusChangeSchema: {"session_id": "s", "status": "archived"},
    registry.EntryFailureSchema: {"index": 0, "status": 404, "reason": "r"},
    registry.BatchOutcomeSchema: {"accepted": 0, "failed": []},
    registry.UsageReportSchema: {"session_id": "s", "prompt_tokens": 0, "completion_tokens": 0},
    registry.KeyedUsageReportSchema: {"session_id": "s", "prompt_tokens": 0, "completion_tokens": 0},
    registry.UsageStatsSchema: {"id": "s", "from": MOMENT, "to": MOMENT},
    registry.ModelParametersSchema: {},
    registry.ModelMetadataSchema: MODEL,
    registry.ModelListSchema: {"models": [MODEL], "total": 1},
    vault.ArchiveEntrySchema: {"session_id": "s", "data": None, "retention_days": 1},
    vault.PlacedEntrySchema: {"session_id": "s", "data": None, "retention_days": 1},
    vault.RetrievedArchiveSchema: {
        "session_id": "s",
        "data": None,
        "retention_days": 1,
        "id": "a",
        "archived_at": MOMENT,
    },
    vault.ArchiveResponseSchema: {"archive_id": "a", "session_id": "s", "status": "archived", "archived_at": MOMENT},
    vault.ArchiveFailureSchema: {"session_id": "s", "error": "e"},
    vault.BatchArchiveResponseSchema: {"archived": [], "total": 0, "success_count": 0},
    vault.RetentionPolicySchema: {"name": "n", "retention_days": 1, "compliance_level": "gdpr"},
    vault.PolicyCreatedSchema: {"policy_id": "p"},
    vault.PolicyAssignmentSchema: {"policy_id": "p"},
    rows.UnreadableRowSchema: {"index": 0},
    refusals.RefusalSchema: {"reason": "retention_not_over"},
}


def concrete(base: Any) -> Iterator[type[Payload[Any]]]:
    for kind in base.__subclasses__():
        if kind.__module__ in {module.__name__ for module in MODULES}:
            yield kind
        yield from concrete(kind)


REQUESTS = sorted(set(concrete(Request)), key=lambda kind: kind.__name__)
RESPONSES = sorted(set(concrete(Response)), key=lambda kind: kind.__name__)
ALL = REQUESTS + RESPONSES


def test_every_schema_is_looked_at() -> None:
    assert set(ALL) <= set(LEAST), "a new schema needs a line in LEAST"
    assert set(concrete(Payload)) == set(ALL), "a schema is a Request or a Response"


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_refuses_an_unknown_field_by_name(kind: type[Payload[Any]]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind().read({**LEAST[kind], "tpyo": 1})
    assert caught.value.messages == {"tpyo": ["Unknown field."]}


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_tolerates_an_unknown_field(kind: type[Payload[Any]]) -> None:
    assert kind().read({**LEAST[kind], "grown": {"x": [1]}}) == kind().read(LEAST[kind])


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_takes_null_for_absent(kind: type[Payload[Any]]) -> None:
    nulls = {name: None for name in keys(kind) if name not in LEAST[kind]}
    assert kind().read({**nulls, **LEAST[kind]}) == kind().read(LEAST[kind])


@pytest.mark.parametrize("kind", ALL)
def test_each_required_field_is_missed_by_name(kind: type[Payload[Any]]) -> None:
    required = {key(name, field) for name, field in kind().fields.items() if field.required}
    assert required <= set(LEAST[kind])
    if required:
        with pytest.raises(ValidationError) as caught:
            kind().read({})
        assert set(caught.value.messages) == required  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("junk", [None, [], "text", 5, True, [[]]], ids=repr)
def test_what_is_no_object_is_refused(kind: type[Payload[Any]], junk: Any) -> None:
    with pytest.raises(ValidationError):
        kind().read(junk)


@pytest.mark.parametrize("kind", ALL)
def test_model_and_schema_have_the_same_fields(kind: type[Payload[Any]]) -> None:
    assert {field.name for field in dataclasses.fields(kind.model)} == set(kind().fields)


@pytest.mark.parametrize("kind", ALL)
def test_what_is_required_and_what_has_a_default_agree(kind: type[Payload[Any]]) -> None:
    no_default = {
        field.name
        for field in dataclasses.fields(kind.model)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    required = {name for name, field in kind().fields.items() if field.required}
    assert no_default <= required
    assert all(field.load_default is missing for field in kind().fields.values()), "defaults belong to the model"


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=60, deadline=None)
@given(drawn=st.data())
def test_the_quick_way_in_decides_as_marshmallow_does(kind: type[Payload[Any]], drawn: st.DataObject) -> None:
    names = st.sampled_from([*sorted(keys(kind)), "unknown"])
    payload = {**LEAST[kind], **drawn.draw(st.dictionaries(names, JUNK, max_size=3))}
    schema = kind()
    assert outcome(schema, schema.load, payload) == outcome(schema, partial(Schema.load, schema), payload)


def outcome(schema: Payload[Any], load: Any, payload: dict[str, Any]) -> Any:
    """What became of a payload's own fields, or what was wrong with them."""
    try:
        written = schema.as_json(load(dict(payload)))
    except ValidationError as error:
        return error.messages
    return {name: value for name, value in written.items() if name in payload}


@pytest.mark.parametrize("kind", ALL)
def test_a_payload_comes_back_as_it_was(kind: type[Payload[Any]]) -> None:
    schema = kind()
    model = schema.read(LEAST[kind])
    assert schema.read(schema.as_json(model)) == model


@pytest.mark.parametrize("kind", REQUESTS)
def test_what_is_written_can_be_read(kind: type[Payload[Any]]) -> None:
    schema = kind()
    model = schema.read(LEAST[kind])
    assert schema.read(schema.write(model)) == model


@pytest.mark.parametrize("kind", ALL)
def test_nothing_null_is_written_that_a_strict_peer_refuses(kind: type[Payload[Any]]) -> None:
    nullable = {"ended_at", "max_tokens", "top_p", "frequency_penalty", "presence_penalty", "data", "latency_ms"}
    written = kind().as_json(kind().read(LEAST[kind]))
    assert {name for name, value in written.items() if value is None} <= nullable


@pytest.mark.parametrize("kind", ALL)
def test_models_are_frozen(kind: type[Payload[Any]]) -> None:
    model = kind().read(LEAST[kind])
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(model, dataclasses.fields(model)[0].name, "changed")


def key(name: str, field: fields.Field[Any]) -> str:
    return field.data_key or name


def keys(kind: type[Payload[Any]]) -> set[str]:
    return {key(name, field) for name, field in kind().fields.items()}
