"""One classifier says what a failure over HTTP or gRPC means."""

import pytest
from memory_graph_workers.clients.errors import (
    AuthenticationError,
    CircuitBreakerOpen,
    ConnectionError,
    HttpError,
    InvalidConfig,
    NotArchivable,
    Refused,
    SerializationError,
    ServiceUnavailable,
    Timeout,
    TransientError,
    UncertainOutcome,
)
from memory_graph_workers.clients.failures import Kind, is_suspect, kind_of, may_repeat, shows_service_is_up

OUTAGE = [ConnectionError(), Timeout(), HttpError(status=200), CircuitBreakerOpen(), UncertainOutcome()]
BUSY = [ServiceUnavailable(status=429), ServiceUnavailable(status=8)]
REFUSED = [AuthenticationError(status=401), InvalidConfig(), Refused(status=302), Refused(status=12)]
UNRELATED = [SerializationError(status=200), SerializationError()]
ITEM = [Refused(status=status) for status in (400, 404, 409, 413, 422, 5, 3)] + [NotArchivable("empty")]
SUSPECT = [ServiceUnavailable(status=status) for status in (500, 501, 502, 503, 504, 13, 2, 15, 10)]
EXPECTED = {Kind.OUTAGE: OUTAGE, Kind.BUSY: BUSY, Kind.REFUSED: REFUSED, Kind.UNRELATED: UNRELATED}


@pytest.mark.parametrize(
    ("error", "kind"), [(error, kind) for kind, errors in EXPECTED.items() for error in errors], ids=repr
)
def test_each_failure_has_one_kind(error: Exception, kind: Kind) -> None:
    assert (kind_of(error), is_suspect(error)) == (kind, False)
    assert shows_service_is_up(error) is (kind is not Kind.OUTAGE)


@pytest.mark.parametrize("error", ITEM, ids=repr)
def test_a_refused_item_says_that_the_service_is_up(error: Exception) -> None:
    assert (kind_of(error), shows_service_is_up(error), is_suspect(error)) == (Kind.ITEM, True, False)


@pytest.mark.parametrize("error", [*SUSPECT, ValueError("a bug")], ids=repr)
def test_a_5xx_or_a_bug_may_be_the_items_fault_or_an_outage(error: Exception) -> None:
    assert (kind_of(error), shows_service_is_up(error), is_suspect(error)) == (Kind.ITEM, False, True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=repr)
def test_an_interrupted_call_says_nothing_good(error: BaseException) -> None:
    assert (kind_of(error), is_suspect(error)) == (Kind.OUTAGE, False)


@pytest.mark.parametrize(
    ("error", "repeatable", "may"),
    [
        (ConnectionError(), False, True),
        (Timeout(), True, True),
        (Timeout(), False, False),
        (ServiceUnavailable(status=500), False, True),
        (ServiceUnavailable(status=504), False, False),
        (ServiceUnavailable(status=504), True, True),
        (CircuitBreakerOpen(), True, False),
    ],
    ids=repr,
)
def test_what_may_be_done_already_is_not_repeated(error: TransientError, repeatable: bool, may: bool) -> None:
    assert may_repeat(error, repeatable) is may
