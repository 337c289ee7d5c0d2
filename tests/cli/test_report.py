"""`mgw report`: what it says of a month, and that it says so where it cannot know."""

import csv
import io
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from memory_graph_workers.cli.report.as_csv import COLUMNS
from memory_graph_workers.cli.report.as_markdown import markdown
from memory_graph_workers.cli.report.command import command
from memory_graph_workers.cli.report.gathering import gather, without_ids
from memory_graph_workers.cli.report.month import MonthType
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.dead_letters.groups import name_of_group
from memory_graph_workers.schemas.archival import BatchResult, Trigger
from memory_graph_workers.schemas.fields import format_timestamp, now
from memory_graph_workers.tasks import connections
from memory_graph_workers.tasks.archival.keys import INDEX, key
from memory_graph_workers.tasks.archival.page import Page, Position
from memory_graph_workers.tasks.archival.state import KEPT_SECS, Sweeps
from support.broker import Broker
from support.forked import mgw
from support.our_app import KEYS
from support.shared_broker import broker as broker
from support.shared_broker import running as running

PARAMETERS = MonthType()
SECRET = "session-4711"
REQUEST = "7f3a22c19b"


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def before(name: str, months: int = 1) -> str:
    """The month so many months before."""
    return month_of(PARAMETERS.convert(name, None, None).start - timedelta(days=30 * months - 15))


LAST = before(month_of(datetime.now(UTC)))
GONE = before(month_of(datetime.now(UTC) - timedelta(seconds=KEPT_SECS)), 2)


def swept(
    broker: Broker, sweep_id: str, began: datetime, result: BatchResult, reason: str = "", *, end: bool = True
) -> None:
    """A sweep of one batch that began then."""
    state = Sweeps(broker.redis)
    state.begin(sweep_id, Trigger.BEAT, now())
    ids = [*result.failed, *result.skipped, *(f"archived-{number}" for number in range(result.archived))]
    state.keep_page(sweep_id, Page(Position(index=0), {"a": ids}, None))
    state.finish_batch(sweep_id, "a", ids, result)
    if end:
        state.close(sweep_id, reason)
        broker.redis.hset(key(sweep_id), "finished_at", format_timestamp(began + timedelta(minutes=5)))
    else:
        state.lock.release(sweep_id)
    broker.redis.hset(key(sweep_id), "started_at", format_timestamp(began))
    broker.redis.zadd(INDEX, {sweep_id: began.timestamp()})


def failed(broker: Broker, letter_id: str, at: datetime, task: str | None = "order", **facts: Any) -> None:
    """A dead letter of that time."""
    reason = facts.pop("reason", Reason.FAILED)
    DeadLetters(broker.redis, KEYS).add(DeadLetter(letter_id, reason, "q", task=task, payload={}, **facts))
    group = name_of_group(task, reason, facts.get("error"))
    for name in (KEYS.failures.by_time, KEYS.failures.group(group)):
        broker.redis.zadd(name, {letter_id: at.timestamp()})


def start_of(month: str) -> datetime:
    return PARAMETERS.convert(month, None, None).start


def end_of(month: str) -> datetime:
    return PARAMETERS.convert(month, None, None).end


def reported(broker: Broker, month: str, *options: str) -> str:
    environ = {**os.environ, "REDIS_URL": broker.url, "VAULT_API_KEY": "key"}
    told = mgw("report", "--month", month, *options, environ=environ)
    assert told.returncode == 0, told.stderr
    return told.stdout


def read(broker: Broker, month: str) -> dict[str, Any]:
    return json.loads(reported(broker, month, "--json"))


def test_a_month_that_is_over_and_kept_is_told_whole(broker: Broker) -> None:
    first, last = start_of(LAST), end_of(LAST) - timedelta(microseconds=1)
    swept(broker, "one", first, BatchResult(3, failed={"x": "boom"}, skipped={"y": "no conversation"}))
    swept(broker, "two", last, BatchResult(2), reason="paused")
    swept(broker, "earlier", first - timedelta(microseconds=1), BatchResult(50))
    swept(broker, "later", end_of(LAST), BatchResult(70))
    failed(broker, "1", first, error="Refused")
    failed(broker, "2", last, error="Refused")
    failed(broker, "3", end_of(LAST), error="Refused")
    found = read(broker, LAST)
    sweeps = found["sweeps"]
    assert [one["sweep_id"] for one in sweeps["each"]] == ["one", "two"]
    names = ("is_complete", "count", "completed", "incomplete", "running", "archived", "failed", "skipped")
    assert [sweeps[name] for name in names] == [True, 2, 1, 1, 0, 5, 1, 1]
    assert found["not_archived"] == [
        {"outcome": "failed", "reason": "boom", "sessions": 1},
        {"outcome": "skipped", "reason": "no conversation", "sessions": 1},
    ]
    assert (found["dead_letters"]["still_there"], found["dead_letters"]["is_complete"]) == (2, False)
    assert found["dead_letters"]["groups"] == [
        {"pot": "failures", "task": "order", "reason": "failed", "error": "Refused", "letters": 2}
    ]
    text = reported(broker, LAST)
    assert "| sessions archived by them | 5 |" in text
    assert "| dead letters | at least 2 |" in text
    assert "by hand or by other programs are not in here" in text


def test_a_month_of_which_nothing_is_left_has_no_numbers(broker: Broker) -> None:
    found = read(broker, GONE)
    names = ("count", "completed", "incomplete", "running", "archived", "failed", "skipped")
    assert [found["sweeps"][name] for name in names] == [None] * 7
    assert (found["sweeps"]["is_complete"], found["not_archived"], found["dead_letters"]["still_there"]) == (
        False, None, None,
    )  # fmt: skip
    text = reported(broker, GONE)
    assert "| sweeps that began | unknown |" in text
    assert "so the sweeps of this month are gone." in text
    assert not [line for line in text.splitlines() if line.startswith("| ") and line.rstrip("| ").endswith(" 0")]


def gathered(broker: Broker, month: str, at: datetime) -> dict[str, Any]:
    """What is known of a month at that time."""
    with connections.lending(redis=broker.redis):
        letters = DeadLetters(broker.redis, KEYS)
        return gather(PARAMETERS.convert(month, None, None), letters, Bounds(), clock=lambda: at)


def test_a_month_that_is_partly_gone_says_at_least(broker: Broker) -> None:
    at = datetime(2026, 8, 15, 12, tzinfo=UTC)  # 90 days after the 17th of May
    swept(broker, "one", end_of("2026-05") - timedelta(seconds=1), BatchResult(3))
    found = gathered(broker, "2026-05", at)
    assert found["sweeps"]["is_complete"] is False
    assert "| sessions archived by them | at least 3 |" in markdown(found)
    assert "Redis keeps a sweep for 90 days: those that began before 2026-05-17T12:00:00Z are gone" in markdown(found)
    broker.redis.delete(INDEX)
    assert "| sessions archived by them | unknown |" in markdown(gathered(broker, "2026-05", at))


@pytest.mark.parametrize(("day", "whole"), [(29, True), (30, False)])
def test_a_month_is_known_whole_until_its_first_sweep_may_be_gone(broker: Broker, day: int, whole: bool) -> None:
    swept(broker, "one", start_of("2026-05"), BatchResult(3))
    found = gathered(broker, "2026-05", datetime(2026, 7, day, tzinfo=UTC) + timedelta(seconds=1))
    assert found["sweeps"]["is_complete"] is whole


def test_this_month_is_not_over_and_a_running_sweep_counts_on(broker: Broker) -> None:
    swept(broker, "one", now(), BatchResult(3), end=False)
    found = read(broker, month_of(now()))
    assert (found["is_over"], found["sweeps"]["is_complete"], found["sweeps"]["running"]) == (False, False, 1)
    assert found["sweeps"]["each"][0]["finished_at"] is None
    assert any(line.startswith("The month is not over") for line in found["notes"])
    assert any(line.startswith("1 sweep had not ended") for line in found["notes"])


@pytest.mark.parametrize("record", [{}, {"status": "exploded", "started_at": "soon"}])
def test_a_record_that_is_gone_or_broken_is_counted_as_unknown(broker: Broker, record: dict[str, str]) -> None:
    swept(broker, "one", start_of(LAST), BatchResult(3))
    broker.redis.zadd(INDEX, {"lost": start_of(LAST).timestamp() + 60})
    if record:
        broker.redis.hset(key("lost"), mapping=record)
    found = read(broker, LAST)
    assert (found["sweeps"]["count"], found["sweeps"]["is_complete"]) == (1, False)
    assert any(line.startswith("1 sweep began in this month, but the record is gone") for line in found["notes"])


def test_reasons_that_were_not_kept_are_counted(broker: Broker) -> None:
    swept(broker, "one", start_of(LAST), BatchResult(0, failed={"x": "boom", "y": "boom", "z": "boom"}))
    broker.redis.hdel(key("one", "failed"), "z")
    assert read(broker, LAST)["not_archived"] == [
        {"outcome": "failed", "reason": "boom", "sessions": 2},
        {"outcome": "failed", "reason": "the reason was not kept", "sessions": 1},
    ]


def test_letters_that_were_dropped_are_told(broker: Broker) -> None:
    failed(broker, "1", start_of(LAST))
    broker.redis.hset(KEYS.failures.gave_way, name_of_group("order", Reason.FAILED, None), 7)
    broker.redis.zadd(KEYS.failures.gave_way_at, {name_of_group("order", Reason.FAILED, None): 1.0})
    found = read(broker, LAST)
    assert found["dead_letters"]["dropped_at_a_bound"] == 7
    assert any(line.startswith("7 dead letters of this or other months were dropped") for line in found["notes"])


@pytest.mark.parametrize("options", [[], ["--format", "markdown"], ["--format", "csv"], ["--json"]], ids=" ".join)
def test_no_form_has_ids_of_sessions_or_requests(broker: Broker, options: list[str]) -> None:
    why = f"the vault refused it: too large (status 413, request {REQUEST}) {SECRET}"
    swept(broker, "sweep-1", start_of(LAST), BatchResult(1, failed={SECRET: why}), reason=f"the listing: {REQUEST}")
    failed(broker, SECRET, start_of(LAST))
    said = reported(broker, LAST, *options)
    assert "sweep-1" in said
    assert "the vault refused it: too large (status 413)" in said
    assert SECRET not in said
    assert REQUEST not in said


FORGED = '=HYPERLINK("x")|<b>*bold*\x1b[31m'


def test_names_from_elsewhere_do_nothing_in_a_document(broker: Broker) -> None:
    failed(broker, "1", start_of(LAST), task=FORGED)
    (row,) = [line for line in reported(broker, LAST).splitlines() if "HYPERLINK" in line]
    assert row == '| failures | =HYPERLINK("x")\\|&lt;b>\\*bold\\*\\\\x1b\\[31m | failed |  | 1 |'


def test_names_from_elsewhere_do_nothing_in_a_spreadsheet(broker: Broker) -> None:
    failed(broker, "1", start_of(LAST), task=FORGED)
    rows = list(csv.DictReader(io.StringIO(reported(broker, LAST, "--format", "csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["task"] for row in rows if row["section"] == "dead letters"] == ["'" + FORGED.replace("\x1b", "\\x1b")]
    assert {row["is_complete"] for row in rows if row["section"] == "sum of dead letters"} == {"no"}


def test_a_spreadsheet_has_all_that_the_document_has(broker: Broker) -> None:
    swept(broker, "one", start_of(LAST), BatchResult(3, failed={"x": "boom"}), reason="paused")
    rows = list(csv.DictReader(io.StringIO(reported(broker, LAST, "--format", "csv"))))
    sections = {row["section"]: row for row in rows}
    assert (sections["sweep"]["sweep_id"], sections["sweep"]["reason"]) == ("one", "paused")
    assert (sections["sum of sweeps"]["archived"], sections["sum of sweeps"]["is_complete"]) == ("3", "yes")
    assert (sections["not archived"]["reason"], sections["not archived"]["count"]) == ("boom", "1")
    gone = list(csv.DictReader(io.StringIO(reported(broker, GONE, "--format", "csv"))))
    assert [(row["archived"], row["is_complete"]) for row in gone if row["section"] == "sum of sweeps"] == [("", "no")]


@pytest.mark.parametrize(
    "given", ["2026-13", "2026-00", "2026-1", "26-10", "2026-10-01", "", "2026", " 2026-01", "\uff12026-01", "0000-01"]
)
def test_a_month_that_is_none_is_wrong_usage(given: str) -> None:
    done = CliRunner().invoke(command, ["--month", given])
    assert done.exit_code == 2
    assert "is not a month. Write it like 2026-10." in done.output


@pytest.mark.parametrize("given", ["9999-12", month_of(datetime.now(UTC) + timedelta(days=32))])
def test_a_month_that_has_not_begun_is_wrong_usage(given: str) -> None:
    done = CliRunner().invoke(command, ["--month", given])
    assert (done.exit_code, "has not begun yet" in done.output) == (2, True)


@pytest.mark.parametrize("options", [["--month", "2026-01", "--format", "csv", "--json"], [], ["--format", "pdf"]])
def test_what_contradicts_itself_is_wrong_usage(options: list[str]) -> None:
    assert CliRunner().invoke(command, options).exit_code == 2


@pytest.mark.parametrize(
    ("month", "start", "end"),
    [
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("0001-01", "0001-01-01", "0001-02-01"),
    ],
)
def test_a_month_is_one_of_utc(month: str, start: str, end: str) -> None:
    found = PARAMETERS.convert(month, None, None)
    assert (found.start.isoformat(), found.end.isoformat()) == (f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00")


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("paused", "paused"),
        ("took longer than 6 hours", "took longer than 6 hours"),
        ("not found (status NOT_FOUND, request abcdef)", "not found (status NOT_FOUND)"),
        ("no response (request 1-2)", "no response"),
        ("kept until 2027-01-01T00:00:00Z: too early", "kept until …: too early"),
        ("node 0192a7c4-5e3f-7b1a-8f2d-6c9e0a1b2c3d is broken", "node … is broken"),
        ("user/7 went on", "… went on"),
        ("seconds 1764000000000, nanos 0", "seconds …, nanos 0"),
    ],
)
def test_ids_are_left_out_of_reasons(reason: str, shown: str) -> None:
    assert without_ids(reason) == shown
