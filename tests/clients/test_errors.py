"""What an error carries, what it must never carry, and that it survives its journeys."""

import io
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery.backends.base import Backend
from memory_graph_workers.clients import errors
from memory_graph_workers.clients.config import RegistryConfig, RetryPolicy, VaultConfig
from memory_graph_workers.clients.errors import IntegrationError
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.delivery.dead_letters.store import Reason
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from support.fakes.http_server import FakeServer, Step, answer, cut, cut_after, hang, whole

KEY, SENT, ANSWERED = "canary-of-the-key", "canary-of-the-payload", "canary-of-the-answer"
KINDS_OF_THE_RUST_CLIENT = {
    "HttpError": "HttpError",
    "AuthenticationError": "AuthenticationError",
    "ApiError": "ApiError",
    "ConnectionError": "ConnectionError",
    "Timeout": "Timeout",
    "CircuitBreakerOpen": "CircuitBreakerOpen",
    "InvalidConfig": "InvalidConfig",
    "Serialization": "SerializationError",
}


def kinds(root: type[Exception] = IntegrationError) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


ALL_KINDS = sorted(set(kinds()), key=lambda kind: kind.__name__)
FULL = ("it failed", "vault", "archive_session", 503, "r-1", 2.5)
EXAMPLES: list[Exception] = [
    *(kind(*FULL) for kind in ALL_KINDS),
    *(kind() for kind in ALL_KINDS),
    ValidationError({"session_id": ["Missing."], "nested": {"0": {"x": ["Bad."]}}}),
    ValidationError("text"),
]


def test_each_of_the_eight_kinds_has_exactly_one_class() -> None:
    names = [kind.__name__ for kind in ALL_KINDS]
    assert all(names.count(name) == 1 for name in KINDS_OF_THE_RUST_CLIENT.values())
    assert set(names) - set(KINDS_OF_THE_RUST_CLIENT.values()) == {
        "IntegrationError",
        "TransientError",
        "NotFound",
        "ChangedMeanwhile",
        "Refused",
        "WentOn",
        "ServiceUnavailable",
        "ResponseTooLarge",
        "UncertainOutcome",
        "NotArchivable",
        "NothingToArchive",
    }
    assert all(kind.__module__ == errors.__name__ for kind in ALL_KINDS)


@pytest.mark.parametrize("kind", [*ALL_KINDS, ValidationError])
def test_every_error_says_that_it_may_be_shown_and_as_what_its_task_ends(kind: Any) -> None:
    waits = Reason.ATTEMPTS_EXHAUSTED if issubclass(kind, errors.TransientError) else None
    reasons = {errors.UncertainOutcome: Reason.UNCERTAIN, ValidationError: Reason.INVALID_PAYLOAD}
    assert kind.showable
    assert getattr(kind, "dead_letter_reason", None) == reasons.get(kind, waits)


def facts(error: Exception) -> tuple[Any, ...]:
    known = vars(error) if isinstance(error, IntegrationError) else error.messages  # type: ignore[attr-defined]
    return type(error), str(error), known


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_every_error_survives_pickle(error: Exception) -> None:
    assert facts(pickle.loads(pickle.dumps(error))) == facts(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_every_error_survives_celerys_json_backend(error: Exception) -> None:
    with Celery("test", set_as_current=False) as app:
        backend = Backend(app, serializer="json")
        stored = backend.decode(backend.encode(backend.prepare_exception(error)))
        assert facts(backend.exception_to_python(stored)) == facts(error)


def test_the_text_says_where_what_and_which_request() -> None:
    assert str(errors.ApiError(*FULL)) == "vault.archive_session: it failed (status 503, request r-1)"
    assert str(errors.InvalidConfig("only this")) == "only this"


ENTRY = ArchiveEntry("s", {"prompt": SENT}, 365, "a", metadata={"m": SENT}, tags=[SENT])
REGISTRATION = SessionRegistration("s", "m", metadata={"user": SENT}, tags=[SENT])
POLICY = RetentionPolicy(SENT, 365, ComplianceLevel.STANDARD, description=SENT)
TEXT = (
    f'{{"session_id": "{ANSWERED}", "error": "{ANSWERED} {SENT} {KEY}", "{ANSWERED}": 1, "started_at": "{ANSWERED}"}}'
)
STEPS: dict[str, Step | int] = {
    **{str(status): answer(status, TEXT) for status in (200, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503)},
    "not JSON": answer(200, f"<html>{ANSWERED}</html>"),
    "half JSON": answer(200, TEXT[:-4]),
    "not UTF-8": answer(200, ANSWERED.encode() + b"\xff\xfe"),
    "a list": answer(200, f'["{ANSWERED}"]'),
    "junk status line": cut_after(f"{ANSWERED} {ANSWERED}\r\n\r\n".encode()),
    "no gzip": answer(200, ANSWERED, {"Content-Encoding": "gzip"}),
    "cut": cut,
    "cut body": cut_after(whole(200, TEXT)[:-4]),
    "cut chunk": cut_after(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ANSWERED}".encode()),
    "bad length": cut_after(f"HTTP/1.1 200 OK\r\nContent-Length: {ANSWERED}\r\n\r\n{ANSWERED}".encode()),
    "headers without end": cut_after(f"HTTP/1.1 200 OK\r\nX-A: b\r\n{ANSWERED} {ANSWERED}\r\n\r\n{{}}".encode()),
    "cut headers": cut_after(f"HTTP/1.1 500 Oh\r\nX-A: b\r\n{ANSWERED}".encode()),
    "silence": hang,
    "odd request id": answer(400, "", {"X-Request-ID": f"{ANSWERED} {KEY}"}),
    "location": answer(302, "", {"Location": f"http://127.0.0.1/{ANSWERED}"}),
    "authenticate": answer(401, "", {"WWW-Authenticate": f"Bearer realm={ANSWERED}"}),
    "retry after": answer(503, "", {"Retry-After": ANSWERED}),
}
CALLS: dict[str, Callable[[RegistryClient, VaultClient], Any]] = {
    "archive_session": lambda _, vault: vault.archive_session(ENTRY),
    "batch_archive": lambda _, vault: vault.batch_archive([ENTRY]),
    "retrieve_session": lambda _, vault: vault.retrieve_session("a"),
    "create_retention_policy": lambda _, vault: vault.create_retention_policy(POLICY),
    "register_session": lambda registry, _: registry.register_session(REGISTRATION),
    "track_usage": lambda registry, _: registry.track_usage(UsageReport("s", 1, 1, metadata={"m": SENT})),
    "list_sessions": lambda registry, _: registry.list_sessions(),
}


def everything_of(error: BaseException) -> str:
    """All that a log, an error tracker or a result backend may show of an error."""
    texts = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args), repr(vars(error))]
    return " ".join([*texts, repr(pickle.dumps(error))])


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger writes, at every level."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_no_error_and_no_log_carries_key_payload_or_body(server: FakeServer, logged: io.StringIO, step: Step) -> None:
    server.default = step
    once, secs = RetryPolicy(max_attempts=1), 0.3
    seen: list[str] = []
    located: list[bool] = []
    for call in CALLS.values():
        registry = RegistryClient(RegistryConfig(server.url, KEY, secs), retry_policy=once)
        vault = VaultClient(VaultConfig(server.url, KEY, timeout_secs=secs), retry_policy=once)
        with registry, vault:
            try:
                call(registry, vault)
            except IntegrationError as error:
                seen.append(everything_of(error))
                located.append(all((error.service, error.operation, error.request_id)))
    assert seen
    assert all(located)
    for canary in (KEY, SENT, ANSWERED):
        assert canary not in " ".join(seen)
        assert canary not in logged.getvalue()


@pytest.mark.parametrize(
    "call",
    [
        lambda _, vault: vault.archive_session(ArchiveEntry(SENT * 100, {"x": SENT}, 0, tags=[SENT * 99])),
        lambda _, vault: vault.archive_session(ArchiveEntry("s", {"x": {SENT}}, 365)),
        lambda _, vault: vault.create_retention_policy(RetentionPolicy("n", 365, SENT)),  # type: ignore[arg-type]
        lambda registry, _: registry.update_session_status("s", SENT),  # type: ignore[arg-type]
        lambda registry, _: registry.get_session(f"{SENT}\n"),
        lambda registry, _: registry.track_usage(UsageReport("s", SENT, 1)),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_payload_is_refused_without_its_values_and_nothing_is_sent(
    server: FakeServer, registry: RegistryClient, vault: VaultClient, call: Callable[..., Any]
) -> None:
    with pytest.raises(ValidationError) as caught:
        call(registry, vault)
    assert SENT not in everything_of(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("make", [RegistryConfig, VaultConfig])
def test_a_configuration_does_not_show_its_key(make: Callable[..., Any]) -> None:
    config = make("http://localhost", KEY)
    assert KEY not in f"{config!r} {config}"
    with pytest.raises(errors.InvalidConfig) as caught:
        make(f"http://user:{KEY}@localhost", f"{KEY} with spaces")
    assert KEY not in everything_of(caught.value)


LINE = r"service=registry method=GET route=/api/v1/sessions/{session_id} status=404 duration_ms=[0-9.]+ request_id=r-9"


def test_one_line_a_request_with_route_status_duration_and_request_id(
    server: FakeServer, registry: RegistryClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers(500, answer(404, "", {"X-Request-ID": "r-9"}))
    with pytest.raises(errors.ApiError):
        registry.get_session("id-of-a-session")
    first, second = [record for record in caplog.records if record.name.startswith("memory_graph_workers")]
    assert "status=500" in first.getMessage()
    assert re.fullmatch(LINE, second.getMessage())
    assert (second.route, second.status, second.request_id) == ("/api/v1/sessions/{session_id}", 404, "r-9")  # type: ignore[attr-defined]
    assert "id-of-a-session" not in caplog.text.replace("urllib3", "")


def test_no_answer_is_logged_without_a_status(
    server: FakeServer, registry: RegistryClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers(cut, 200)
    registry.delete_session("s")
    assert [getattr(record, "status", 0) for record in caplog.records] == [None, 200]


@pytest.mark.parametrize("make", [RegistryConfig, VaultConfig])
def test_no_line_is_logged_where_logging_is_off(
    server: FakeServer, caplog: pytest.LogCaptureFixture, make: type[RegistryConfig]
) -> None:
    caplog.set_level(logging.INFO)
    config = make(server.url, "k", enable_logging=False)
    with RegistryClient(config) if isinstance(config, RegistryConfig) else VaultClient(config) as client:
        client.health_check()
    assert caplog.records == []
