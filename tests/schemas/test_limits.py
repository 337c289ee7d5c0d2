"""What each kind of field accepts and refuses."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.canonical import canonical_json, derived_id, digest
from memory_graph_workers.schemas.fields import format_timestamp, parse_timestamp
from memory_graph_workers.schemas.registry import (
    KeyedUsageReport,
    KeyedUsageReportSchema,
    ModelMetadataSchema,
    ModelParameters,
    ModelParametersSchema,
    SessionInfoSchema,
    SessionRegistration,
    SessionRegistrationSchema,
    SessionStatus,
    StatusUpdateSchema,
    UsageReport,
    UsageReportSchema,
    UsageStatsSchema,
)
from memory_graph_workers.schemas.vault import (
    ArchiveEntry,
    ArchiveEntrySchema,
    ComplianceLevel,
    RetentionPolicy,
    RetentionPolicySchema,
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
CANARY = "canary-of-the-payload"
MOMENT = "2026-01-31T12:00:00Z"
REGISTRATION = {"session_id": "s", "model_id": "m"}
USAGE = {"session_id": "s", "prompt_tokens": 1, "completion_tokens": 2}
ENTRY = {"session_id": "s", "data": {}, "retention_days": 365}
POLICY = {"name": "n", "retention_days": 365, "compliance_level": "standard"}
SESSION = {**REGISTRATION, "started_at": MOMENT, "status": "active"}
STATS = {"id": "s", "from": MOMENT, "to": MOMENT}
SCHEMAS: dict[str, tuple[Any, dict[str, Any]]] = {
    "registration": (SessionRegistrationSchema(), REGISTRATION),
    "usage": (UsageReportSchema(), USAGE),
    "keyed": (KeyedUsageReportSchema(), USAGE),
    "entry": (ArchiveEntrySchema(), ENTRY),
    "policy": (RetentionPolicySchema(), POLICY),
    "session": (SessionInfoSchema(), SESSION),
    "stats": (UsageStatsSchema(), STATS),
    "parameters": (ModelParametersSchema(), {}),
    "status": (StatusUpdateSchema(), {"status": "active"}),
}


def nested(levels: int) -> Any:
    """Lists in lists."""
    return [nested(levels - 1)] if levels > 1 else []


NAN, INFINITY = float("nan"), float("inf")
LONG_LIST: list[Any] = []
for _ in range(100_000):
    LONG_LIST = [LONG_LIST]

IDS_WRONG = ["", ".", "..", "x" * 257, "a\nb", "a\tb", "a\x00", "\x7f", "\x85", "\u202e", "\ud800", 5, True, [], {}]
IDS_RIGHT = ["x" * 256, "...", "a/b", "a:b", "größe 世界 🌍", "%2e", " ", "-"]
COUNTS_WRONG = [-1, 2**63, "5", "", True, 0.0, 1.5, NAN, [], {}]
COUNTS_RIGHT = [0, 1, 2**63 - 1]
# A response may write a whole number as 0.0, as JSON does not tell the two apart.
READ_COUNTS_WRONG = [wrong for wrong in COUNTS_WRONG if wrong != 0.0]
READ_COUNTS_RIGHT = [*COUNTS_RIGHT, 0.0, 3.0, 1e15]
DAYS_WRONG = [0, *COUNTS_WRONG, 365_001]
MOMENTS_WRONG = [
    *("2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31", "12:00:00Z", "2026-02-30T12:00:00Z", "now", ""),
    *("2026-01-31T25:00:00Z", "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00.Z", "\uff12026-01-31T12:00:00Z"),
    *("2026-01-31T12:00:00Z ", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-31T12:00:00+99:99"),
    *(5, True, 1769860800, [], {}, datetime(2026, 1, 31)),  # noqa: DTZ001
]
ENDS = ["0001-01-01T00:00:00Z", "0001-01-01T23:59:59.999999Z", "9999-12-31T00:00:00.000001Z", "9999-12-31T23:59:59Z"]
MOMENTS_RIGHT = [
    *(MOMENT, "2026-01-31t12:00:00z", "2026-01-31 12:00:00+00:00", "2026-01-31T12:00:00.123456789Z"),
    *("2026-01-31T12:00:00.1-08:00", "0001-01-02T00:00:00Z", "9999-12-31T00:00:00Z"),
]
OBJECTS_WRONG: list[Any] = [
    *([], "text", 5, True, {"x": NAN}, {"x": -INFINITY}, {"x": "\ud800"}, {"\udfff": 1}, {"x": LONG_LIST}),
    *({"x": datetime(2026, 1, 31, tzinfo=UTC)}, {"x": UUID(int=1)}, {"x": {1}}, {"x": UsageReport("s", 1, 2)}),
]
OBJECTS_RIGHT = [{}, {"x": None}, {"x": [1, 1.5, "größe 🌍", {"y": []}]}, {"": ""}, {"x": (2**70, -0.0)}, {1: "x"}]
MODEST_WRONG = [
    *({"x": "\x01" * 10_922}, {"x": "ß" * 10_922}, {"x": "a" * 65_528}),  # as the limit counts, 65,537 and more
    *({"x": "\x7f" * 10_922}, {"x": nested(65)}, {"x": [{"__type__": "uuid", "__value__": "x"}]}),
]
MODEST_RIGHT = [
    *({"x": "\x01" * 10_921}, {"x": "a" * 65_527}, {"x": nested(64)}),
    *({"__type__": "uuid"}, {"x": [[]] * 100}),
]
KINDS_WRONG: list[Any] = [{"tokens": {"cached_tokens": count}} for count in COUNTS_WRONG]
KINDS_WRONG += [{"tokens": {"reasoning_tokens": 1, "audio_tokens": -1}}]
KINDS_RIGHT: list[Any] = [{"tokens": {"tool_tokens": count, "mine": "x"}} for count in COUNTS_RIGHT]
KINDS_RIGHT += [{"tokens": given} for given in (None, 5, "many", [1], {}, {"cached": -1}, {"tool_tokens": None})]
LIMITS: list[tuple[str, str, list[Any], list[Any]]] = [
    ("registration", "session_id", IDS_WRONG, IDS_RIGHT),
    ("registration", "model_id", IDS_WRONG, IDS_RIGHT),
    ("registration", "model_version", ["x" * 257, "a\x00", "\ud800", 5], ["", "x" * 256]),
    ("registration", "started_at", [*MOMENTS_WRONG, *ENDS], MOMENTS_RIGHT),
    ("registration", "metadata", OBJECTS_WRONG, OBJECTS_RIGHT),
    ("registration", "tags", ["text", [""], ["x" * 257], [5], ["t"] * 101, {}], [[], ["t"] * 100, ["größe"]]),
    ("usage", "session_id", IDS_WRONG, IDS_RIGHT),
    ("usage", "prompt_tokens", COUNTS_WRONG, [1]),
    ("usage", "completion_tokens", COUNTS_WRONG, [2]),
    ("usage", "total_tokens", [*COUNTS_WRONG, 2], [3, 4, 2**63 - 1]),
    ("usage", "latency_ms", COUNTS_WRONG, [*COUNTS_RIGHT, None]),
    ("usage", "model_id", IDS_WRONG[1:], ["", *IDS_RIGHT]),
    ("usage", "timestamp", [*MOMENTS_WRONG, *ENDS], MOMENTS_RIGHT),
    ("usage", "metadata", [*OBJECTS_WRONG, *KINDS_WRONG], [*OBJECTS_RIGHT, *KINDS_RIGHT]),
    ("keyed", "metadata", [*OBJECTS_WRONG, *KINDS_WRONG, *MODEST_WRONG], [*OBJECTS_RIGHT, *MODEST_RIGHT]),
    ("entry", "id", IDS_WRONG, IDS_RIGHT),
    ("entry", "session_id", IDS_WRONG, IDS_RIGHT),
    ("entry", "data", [NAN, [INFINITY], "\ud800", LONG_LIST, {1, 2}, b"x"], [None, "", 0, [], *OBJECTS_RIGHT]),
    ("entry", "retention_days", DAYS_WRONG, [1, 365_000]),
    ("entry", "archived_at", [*MOMENTS_WRONG, *ENDS], MOMENTS_RIGHT),
    ("policy", "name", ["", "x" * 257, 5], ["x" * 256]),
    ("policy", "retention_days", DAYS_WRONG, [1, 365_000]),
    ("policy", "compliance_level", ["", "HIPAA", "iso", 5, True, []], ["standard", "hipaa", "gdpr", "pci", "soc2"]),
    ("policy", "auto_delete", ["yes", "true", 0, 1, 1.0, 5, "", []], [True, False]),
    ("policy", "policy_id", IDS_WRONG, IDS_RIGHT),
    ("status", "status", ["", "Active", "deleted", 5, []], ["active", "completed", "failed", "archived"]),
    ("session", "prompt_count", READ_COUNTS_WRONG, READ_COUNTS_RIGHT),
    ("session", "total_tokens", READ_COUNTS_WRONG, READ_COUNTS_RIGHT),
    ("session", "ended_at", MOMENTS_WRONG, [None, MOMENT, *ENDS]),
    ("session", "status", ["", 5, None, "x" * 257], ["active", "ended"]),
    ("stats", "avg_latency_ms", [-1, NAN, INFINITY, "5", True], [0, 0.0, 1500.25]),
    ("stats", "total_prompts", READ_COUNTS_WRONG, READ_COUNTS_RIGHT),
    ("parameters", "temperature", [-0.1, 2.1, NAN, INFINITY, "1", True], [0, 1, 2, 0.7]),
    ("parameters", "max_tokens", READ_COUNTS_WRONG, [*READ_COUNTS_RIGHT, None]),
    ("parameters", "top_p", [NAN, "1", True], [None, 0.5, 1]),
    ("parameters", "stop_sequences", ["text", [5]], [[], ["END"]]),
]
CASES = [(schema, name, value) for schema, name, values, _ in LIMITS for value in values]
FINE = [(schema, name, value) for schema, name, _, values in LIMITS for value in values]


def shown(value: Any) -> str:
    return "nested" if value is LONG_LIST or value == {"x": LONG_LIST} else ascii(value)[:30]


def show(value: Any) -> str:
    try:
        return shown(value)
    except RecursionError:
        return "nested"


@pytest.mark.parametrize(("schema", "name", "value"), CASES, ids=show)
def test_what_breaks_a_limit_is_refused_by_the_fields_name(schema: str, name: str, value: Any) -> None:
    reader, least = SCHEMAS[schema]
    with pytest.raises(ValidationError) as caught:
        reader.read({**least, name: value})
    assert name in caught.value.messages


@pytest.mark.parametrize(("schema", "name", "value"), FINE, ids=show)
def test_what_is_within_the_limits_is_accepted(schema: str, name: str, value: Any) -> None:
    reader, least = SCHEMAS[schema]
    assert reader.as_json(reader.read({**least, name: value}))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (MOMENT, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T12:00:00.9999999999Z", datetime(2026, 1, 31, 12, 0, 0, 999999, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5+05:30", datetime(2026, 1, 31, 6, 30, 0, 500000, tzinfo=UTC)),
        ("2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_timestamps_are_read_to_the_microsecond(text: str, moment: datetime) -> None:
    assert parse_timestamp(text) == moment


def test_timestamps_are_written_in_utc_with_seconds_and_z() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert format_timestamp(datetime(2026, 1, 31, 12, 0, tzinfo=tokyo)) == "2026-01-31T03:00:00Z"
    assert format_timestamp(datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)) == "2026-01-31T12:00:00.000005Z"


def test_the_total_is_filled_in_or_at_least_the_sum() -> None:
    schema = UsageReportSchema()
    assert schema.read(USAGE).total_tokens == 3
    assert schema.write(UsageReport("s", 1, 2))["total_tokens"] == 3
    assert schema.write(UsageReport("s", 1, 2, total_tokens=4))["total_tokens"] == 4  # with a token of thought
    with pytest.raises(ValidationError) as caught:
        schema.write(UsageReport("s", 1, 2, total_tokens=2))
    assert list(caught.value.messages) == ["total_tokens"]


def test_a_report_that_was_received_is_written_as_it_is_and_one_made_anew_is_checked() -> None:
    schema, read = UsageReportSchema(), KeyedUsageReportSchema().receive({**USAGE, "timestamp": MOMENT}, "t")
    assert schema.write(read) == schema.write(UsageReport("s", 1, 2, timestamp=parse_timestamp(MOMENT)))
    for changed in (replace(read, prompt_tokens=-1), replace(UsageReportSchema().receive(USAGE, "t"), session_id="")):
        with pytest.raises(ValidationError):
            schema.write(changed)
    written = UsageReportSchema().read({**USAGE, "metadata": {}})
    written.metadata["x"] = NAN
    with pytest.raises(ValidationError):  # whoever reads may change it
        schema.write(written)
    with pytest.raises(ValidationError):  # received by a schema that asks for less
        KeyedUsageReportSchema().write(
            cast(KeyedUsageReport, schema.receive({**USAGE, "metadata": MODEST_WRONG[0]}, "t"))
        )


def test_a_total_beyond_what_a_server_can_count_is_refused() -> None:
    with pytest.raises(ValidationError):
        UsageReportSchema().read({"session_id": "s", "prompt_tokens": 2**63 - 1, "completion_tokens": 1})


def test_usage_stats_speak_of_from_and_to() -> None:
    stats = UsageStatsSchema().read(STATS)
    written = UsageStatsSchema().as_json(stats)
    assert (written["from"], written["to"], written["avg_latency_ms"]) == (MOMENT, MOMENT, 0.0)


def test_model_parameters_have_the_contracts_defaults() -> None:
    model = ModelMetadataSchema().read({"model_id": "m", "version": "1", "provider": "p", "created_at": MOMENT})
    assert model.parameters == ModelParameters(1.0, None, None, None, None, [], {})


def test_models_have_the_contracts_defaults() -> None:
    before = datetime.now(UTC)
    registration, report = SessionRegistration("s", "m"), UsageReport("s", 1, 2)
    entry, policy = ArchiveEntry("s", {}, 365), RetentionPolicy("n", 365, ComplianceLevel.STANDARD)
    assert (registration.model_version, registration.metadata, registration.tags) == ("", {}, [])
    assert (report.model_id, report.latency_ms, report.metadata) == ("", None, {})
    assert (policy.auto_delete, policy.description, policy.tags) == (False, "", [])
    moments = [registration.started_at, report.timestamp, entry.archived_at, policy.created_at]
    assert all(moment and before <= moment <= datetime.now(UTC) for moment in moments)
    assert len({entry.id, ArchiveEntry("s", {}, 1).id, policy.policy_id}) == 3


def test_statuses_and_levels_are_the_contracts() -> None:
    assert [status.value for status in SessionStatus] == ["active", "completed", "failed", "archived"]
    days = {level.value: level.retention_days for level in ComplianceLevel}
    assert days == {"standard": 365, "hipaa": 2555, "gdpr": 2555, "pci": 1095, "soc2": 2555}


@pytest.mark.parametrize(
    "payload",
    [
        {**ENTRY, "id": CANARY * 20, "tags": [CANARY, CANARY * 9], "data": {CANARY: {CANARY}}},
        {**ENTRY, "retention_days": CANARY, "archived_at": CANARY, "metadata": [CANARY]},
        {**ENTRY, "metadata": {CANARY: NAN}, "session_id": f"{CANARY}\n"},
        [CANARY],
        CANARY,
    ],
)
def test_a_validation_error_carries_no_value(payload: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ArchiveEntrySchema().read(payload)
    error = caught.value
    assert CANARY not in f"{error} {error!r} {error.args} {vars(error)} {pickle.dumps(error)!r}"
    assert error.valid_data in (None, {}, [])
    assert error.data is None


def test_an_unknown_field_is_named_in_short() -> None:
    with pytest.raises(ValidationError) as caught:
        ArchiveEntrySchema().read({**ENTRY, "x" * 10_000: 1})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("schema", "payload", "moment"),
    [
        (SessionRegistrationSchema(), REGISTRATION, "started_at"),
        (UsageReportSchema(), USAGE, "timestamp"),
        (ArchiveEntrySchema(), ENTRY, "archived_at"),
        (RetentionPolicySchema(), POLICY, "created_at"),
    ],
    ids=["registration", "usage", "entry", "policy"],
)
def test_what_varies_is_the_same_at_each_run_of_a_task(schema: Any, payload: dict[str, Any], moment: str) -> None:
    first, again, other = [schema.write(schema.receive(payload, seed)) for seed in ("t-1", "t-1", "t-2")]
    assert first == again
    assert moment not in first
    assert (first == other) is (schema.identity is None)
    assert moment in schema.write(schema.receive({**payload, moment: MOMENT}, "t-1"))


def test_what_the_sender_fixed_is_kept() -> None:
    entry = ArchiveEntrySchema().receive({**ENTRY, "id": "a", "archived_at": MOMENT}, "t")
    assert (entry.id, entry.archived_at) == ("a", datetime(2026, 1, 31, 12, tzinfo=UTC))


@given(ANY_JSON)
@example({"é": 1, "z": 2, "\U0001f30d": 3, "\uffff": 4})
@example({"": "".join(map(chr, range(256))), "deep": [[[[{}]]]]})
@example([2**63, -(2**63), 2**64 - 1, True, None])
@example([2**64])
@example([{"a": [1e16, 1e-7, -0.0, 1.0]}])
@example([[[float("nan")]]])
@example({"\ud83d": 1})
@example({"b": {1: 2, "a": 3}})
def test_canonical_json_is_what_the_standard_library_writes_also_where_another_encoder_is_used(value: Any) -> None:
    def written(write: Callable[[Any], bytes]) -> Any:
        try:
            return write(value)
        except (ValueError, TypeError) as error:
            return type(error)

    options: Any = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
    assert written(canonical_json) == written(lambda found: json.dumps(found, **options).encode())


def test_digest_and_derived_ids_never_change() -> None:
    """Archives already stored are found by these: a changed value here is a broken release."""
    assert canonical_json({"b": [1, 1.5, None], "a": "größe 🌍"}) == '{"a":"größe 🌍","b":[1,1.5,null]}'.encode()
    assert digest({"b": 1, "a": 2}) == digest(json.loads('{ "a" : 2, "b" : 1 }'))
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert derived_id("archive", "s-1") == "1af5346c-aa42-5a3c-9339-f8a8d21f4594"
    assert derived_id("a", "b") != derived_id("ab") != derived_id("a,b")
