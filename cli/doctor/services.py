"""The doctor's look at the services: health, keys and clocks. It writes nothing."""

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from math import inf
from typing import Any
from uuid import uuid4

import grpc
import requests

from ...clients.config import AUTO, RetryPolicy
from ...clients.errors import ApiError, AuthenticationError, IntegrationError, Refused
from ...clients.memory_graph import MemoryGraphClient
from ...clients.registry import RegistryClient
from ...clients.vault import VaultClient
from ...tasks.config import WorkerConfig
from .finding import Finding, State, judged
from .redis_server import judged_clock

_ONCE = RetryPolicy(max_attempts=1)
_HEALTH_SECS = 5
_NOT_FOUND = 404
_UNDECIDED = "Otherwise a usage report that gets no response becomes a dead letter, which a person must decide about."


def check_registry(config: WorkerConfig) -> Iterator[Finding]:
    """Health, key (by listing one session), clock, and whether it deduplicates usage reports."""
    with RegistryClient(config.registry, retry_policy=_ONCE) as registry:
        yield from _check("registry", registry.health_check, lambda: registry.list_sessions(page_size=1))
        repeats = _repeats(registry)
    yield from _clock("registry", config.registry.base_url)
    yield repeats


def _repeats(registry: RegistryClient) -> Finding:
    """Say whether a usage report that got no response is repeated, by the setting or as /health says."""
    check, setting = "registry: repeats", registry.config.honours_idempotency
    if setting != AUTO:
        found = f"REGISTRY_HONOURS_IDEMPOTENCY={str(setting).lower()}"
        fix = (
            f"Remove REGISTRY_HONOURS_IDEMPOTENCY if the Registry's /health tells how long it keeps keys. {_UNDECIDED}"
        )
        return judged(check, bool(setting), found, fix, State.WARNING)
    try:
        days = registry.known_days()
    except IntegrationError:
        return Finding(check, State.SKIPPED, "not checked: /health gave no response")
    if days is None:
        fix = f"Set REGISTRY_HONOURS_IDEMPOTENCY=true only if you know that the Registry keeps them. {_UNDECIDED}"
        return Finding(check, State.WARNING, "its /health says nothing of idempotency keys", fix)
    kept = "for ever" if days == inf else f"for {days:g} days"
    return Finding(check, State.OK, f"its /health says that idempotency keys are kept {kept}")


def check_vault(config: WorkerConfig) -> Iterator[Finding]:
    """Health, key (by reading an archive that does not exist), and clock."""
    with VaultClient(config.vault, retry_policy=_ONCE) as vault:
        yield from _check("vault", vault.health_check, lambda: _expect_none(vault))
    yield from _clock("vault", config.vault.base_url)


def check_memory_graph(config: WorkerConfig) -> Iterator[Finding]:
    """Health and key (by reading a session that does not exist); its protocol tells no clock."""
    with MemoryGraphClient(config.memory_graph, retry_policy=_ONCE) as graph:
        yield from _check("memory-graph", graph.health_check, lambda: _expect_no_session(graph))


def _check(name: str, health: Callable[[], Any], use_key: Callable[[], Any]) -> Iterator[Finding]:
    variable = name.upper().replace("-", "_")
    wrong = f"See its log, and whether {variable}_URL names it."
    healthy = _tried(f"{name}: health", health, f"Is it up, and {variable}_URL right?", wrong)
    yield healthy
    if healthy.state is State.OK:
        yield _tried(f"{name}: key", use_key, f"Set {variable}_API_KEY to a key that it accepts.", wrong)
    else:
        yield Finding(f"{name}: key", State.SKIPPED, "not checked: the service is not healthy")


def _tried(check: str, call: Callable[[], Any], fix: str, fix_response: str) -> Finding:
    try:
        call()
    except AuthenticationError as error:
        return Finding(check, State.FAILURE, str(error), fix)
    except IntegrationError as error:
        is_about_address = check.endswith("health") and not isinstance(error, ApiError)
        return Finding(check, State.FAILURE, str(error), fix if is_about_address else fix_response)
    return Finding(check, State.OK, "accepted" if check.endswith("key") else "healthy")


def _expect_none(vault: VaultClient) -> None:
    try:
        vault.retrieve_session(str(uuid4()))
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise


def _expect_no_session(graph: MemoryGraphClient) -> None:
    try:
        graph.get_session(str(uuid4()))
    except Refused as error:
        if error.status != grpc.StatusCode.NOT_FOUND.value[0]:
            raise


def _clock(name: str, base_url: str) -> Iterator[Finding]:
    """Compare clocks by the Date header of a response, which has a resolution of one second."""
    before = time.time()
    try:
        response = requests.get(f"{base_url.rstrip('/')}/health", timeout=_HEALTH_SECS, allow_redirects=False)
        theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (requests.RequestException, KeyError, ValueError):
        return  # another finding says that it does not respond, and a Date header is optional
    yield judged_clock(name, theirs, before, time.time(), resolution_secs=1.0)
