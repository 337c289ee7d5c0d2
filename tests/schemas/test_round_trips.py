"""Whatever a payload holds within its limits, it comes back from the wire as it was."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_graph_workers.schemas.fields import format_timestamp, parse_timestamp
from memory_graph_workers.schemas.registry import (
    SessionInfo,
    SessionInfoSchema,
    SessionRegistration,
    SessionRegistrationSchema,
    SessionStatus,
    UsageReport,
    UsageReportSchema,
)
from memory_graph_workers.schemas.vault import (
    ArchiveEntry,
    ArchiveEntrySchema,
    ComplianceLevel,
    RetentionPolicy,
    RetentionPolicySchema,
    RetrievedArchive,
    RetrievedArchiveSchema,
)

few = settings(max_examples=40, deadline=None)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)
ids = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=60).filter(
    lambda text: text not in {".", ".."}
)
counts = st.integers(0, 2**62 - 1)
first, last = datetime(1, 1, 2), datetime(9999, 12, 31)  # noqa: DTZ001
moments = st.datetimes(first, last, timezones=st.just(UTC))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)
tags = st.lists(texts.filter(bool), max_size=5)


def over_the_wire(schema: Any, model: Any) -> Any:
    return schema.read(json.loads(json.dumps(schema.write(model), ensure_ascii=False).encode()))


@few
@given(st.builds(SessionRegistration, ids, ids, texts, moments, objects, tags))
def test_registrations(model: SessionRegistration) -> None:
    assert over_the_wire(SessionRegistrationSchema(), model) == model


@few
@given(
    st.builds(
        SessionInfo, ids, texts, moments, st.sampled_from(SessionStatus), st.none() | moments, counts, counts, objects
    )
)
def test_sessions(model: SessionInfo) -> None:
    assert over_the_wire(SessionInfoSchema(), model) == model


@few
@given(st.builds(UsageReport, ids, counts, counts, st.just("") | ids, st.none(), st.none() | counts, moments, objects))
def test_usage_reports(model: UsageReport) -> None:
    read = over_the_wire(UsageReportSchema(), model)
    assert read.total_tokens == model.prompt_tokens + model.completion_tokens
    assert over_the_wire(UsageReportSchema(), read) == read


@few
@given(st.builds(ArchiveEntry, ids, values, st.integers(1, 365_000), ids, moments, tags, objects))
def test_archives(model: ArchiveEntry) -> None:
    assert over_the_wire(ArchiveEntrySchema(), model) == model
    assert RetrievedArchiveSchema().read(ArchiveEntrySchema().write(model)) == RetrievedArchive(**vars(model))


@few
@given(
    st.builds(
        RetentionPolicy,
        texts.filter(bool),
        st.integers(1, 365_000),
        st.sampled_from(ComplianceLevel),
        st.booleans(),
        texts,
        ids,
        moments,
        tags,
    )
)
def test_policies(model: RetentionPolicy) -> None:
    assert over_the_wire(RetentionPolicySchema(), model) == model


@few
@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_moments_of_any_zone(moment: datetime) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment.astimezone(UTC)


@few
@given(st.text(max_size=40) | st.text("0123456789-:T.Z+ ", max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_timestamp(text).tzinfo is not None
