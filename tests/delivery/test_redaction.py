"""What a failure says in logs and results: ours in full, of any other the class alone."""

import io
import logging
import pickle
from collections.abc import Iterator

import marshmallow
import pytest
from billiard.einfo import ExceptionInfo
from celery.app.trace import LOG_FAILURE, LOG_REJECTED, LOG_SUCCESS
from celery.exceptions import Reject, Retry
from memory_graph_workers.clients.errors import ApiError, IntegrationError
from memory_graph_workers.delivery.base import NotSentAgain
from memory_graph_workers.delivery.redaction import (
    HiddenError,
    RedactingFilter,
    name_of,
    redact_info,
    redact_logs,
    redacted,
    safe_text,
)
from memory_graph_workers.schemas.base import ValidationError

CANARY = "canary the patient said"
OURS = [ApiError("gone", "vault", "retrieve_session", 404), ValidationError({"id": ["Missing."]})]
FOREIGN = [ValueError(CANARY), KeyError(CANARY), marshmallow.ValidationError(CANARY), MemoryError(CANARY)]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written, logger = io.StringIO(), logging.getLogger("redaction")
    logger.addHandler(logging.StreamHandler(written))
    redact_logs(logger)
    yield written
    logger.handlers.clear()


def chained(error: Exception) -> Exception:
    """The same error, raised from one that quotes content."""
    try:
        try:
            raise LookupError(CANARY)
        except LookupError as cause:
            raise error from cause
    except type(error) as raised:
        return raised


@pytest.mark.parametrize("error", OURS)
def test_shows_our_errors_in_full(error: Exception) -> None:
    assert redacted(error) is error
    assert safe_text(error) == str(error)


@pytest.mark.parametrize("error", FOREIGN)
def test_shows_the_class_of_foreign_errors_alone(error: Exception) -> None:
    hidden = pickle.loads(pickle.dumps(redacted(error)))
    assert isinstance(hidden, HiddenError)
    assert name_of(hidden) == safe_text(error) == type(error).__name__
    assert "canary" not in repr(hidden) + str(hidden)


@pytest.mark.parametrize("error", [*OURS, *FOREIGN])
def test_logs_no_foreign_text_and_no_cause(error: Exception, log: io.StringIO) -> None:
    logging.getLogger("redaction").error("failed: %r", chained(error), exc_info=chained(error))
    assert "canary" not in log.getvalue()
    assert "in chained" in log.getvalue()
    assert type(error).__name__ in log.getvalue()


@pytest.mark.parametrize("error", [*OURS, *FOREIGN])
def test_cleans_what_a_child_sends(error: Exception) -> None:
    raised = chained(error)
    info = redact_info(ExceptionInfo((type(raised), raised, raised.__traceback__)))
    assert "canary" not in repr(info.exception) + info.traceback
    assert "in chained" in info.traceback


def test_cleans_the_reason_of_a_retry_and_of_a_reject() -> None:
    retry, reject = redacted(Retry(exc=ValueError(CANARY))), redacted(Reject(ValueError(CANARY), requeue=True))
    assert isinstance(retry, Retry)
    assert isinstance(reject, Reject)
    assert reject.requeue
    assert "canary" not in f"{retry} {retry!r} {reject} {reject!r}"
    assert not isinstance(redacted(Retry(exc=OURS[0])).exc, HiddenError)


def test_keeps_the_facts_of_our_errors() -> None:
    assert isinstance(redacted(OURS[0]), IntegrationError)


@pytest.mark.parametrize("value", ["private", ", ...}", None, 5])
def test_the_line_of_a_task_that_succeeded_shows_nothing_of_its_result(value: object) -> None:
    args = ({"name": "n", "id": "1", "runtime": 0.5, "return_value": value},)
    record = logging.LogRecord("celery.app.trace", logging.INFO, "", 0, LOG_SUCCESS, args, None)
    RedactingFilter().filter(record)
    assert record.getMessage() == "Task n[1] succeeded in 0.5s: …"


@pytest.mark.parametrize("error", [*OURS, *FOREIGN])
def test_the_line_of_a_task_that_failed_says_why_and_has_a_traceback_only_if_that_helps(
    error: Exception, log: io.StringIO
) -> None:
    args = {"name": "n", "id": "1", "description": "raised unexpected", "exc": repr(error), "traceback": "File …"}
    raised = chained(redacted(error))
    logging.getLogger("redaction").error(LOG_FAILURE.strip(), args, exc_info=raised)
    first, *rest = log.getvalue().splitlines()
    if error in OURS:
        assert (first, rest) == (f"Task n[1] failed: {type(error).__name__}: {error}", [])
    else:
        assert first.startswith(f"Task n[1] raised unexpected: HiddenError('{type(error).__name__}')")
        assert rest[0].startswith("Traceback")


@pytest.mark.parametrize(
    ("reject", "told"),
    [
        (Reject(NotSentAgain("the broker was away"), requeue=True), "(the broker was away): it goes back on its queue"),
        (Reject(ValueError(CANARY), requeue=True), "(ValueError): it goes back on its queue and runs again"),
        (Reject(CANARY, requeue=False), "(by the task itself): it is not run again"),
        (Reject(None, requeue=True), "(by the task itself): it goes back on its queue"),
    ],
)
def test_the_line_of_a_task_that_was_rejected_is_one_sentence(reject: Exception, told: str, log: io.StringIO) -> None:
    args = {"name": "n", "id": "1", "description": "rejected", "exc": repr(reject), "traceback": "File …"}
    logging.getLogger("redaction").warning(LOG_REJECTED.strip(), args, exc_info=chained(reject))
    [line] = log.getvalue().splitlines()
    assert line.startswith(f"Task n[1] was rejected {told}")
    assert "canary" not in line
