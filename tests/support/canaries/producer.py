"""A producer that plants a word in everything it sends, and prints as JSON what it gets to see of it.

`python producer.py honest|liars RUN`: ids, answers and errors of each task, by label.
"""

import json
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, cast

from celery import Celery, chain
from celery.result import AsyncResult
from memory_graph_workers.schemas.archival import Trigger
from memory_graph_workers.schemas.fields import now
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry, ComplianceLevel, RetentionPolicy
from memory_graph_workers.tasks import archival, connections, registry, vault
from memory_graph_workers.tasks.config import BrokerConfig
from redis import Redis
from words import word

SECS = 120
STANDARD = ComplianceLevel.STANDARD
KINDS = ("400", "401", "403", "409", "413", "422", "302", "html", "shape", "list", "cut", "500")
Sent = Iterator[tuple[str, AsyncResult]]
KEPT = {"ignore_result": False}


def honest(plant: Callable[[str], str], graph_session: str) -> Sent:
    """Every kind of operation, with services that do as the contract says."""
    tags, notes = [plant("archive-tag")], {"n": plant("archive-metadata")}
    entry = ArchiveEntry("s1", {"text": plant("archive-data")}, 365, "a1", tags=tags, metadata=notes)
    tags, notes = [plant("registration-tag")], {"n": plant("registration-metadata")}
    registration = SessionRegistration("s1", "m", plant("model-version"), metadata=notes, tags=tags)
    tags, told = [plant("policy-tag")], plant("policy-description")
    policy = RetentionPolicy(plant("policy-name"), 365, STANDARD, policy_id="p1", description=told, tags=tags)
    usage = UsageReport("s1", 1, 2, metadata={"n": plant("usage-metadata")})
    first = [
        ("register_session", registry.register_session.delay(registration)),
        ("archive_session", vault.archive_session.delay(entry)),
        ("create_retention_policy", vault.create_retention_policy.delay(policy)),
    ]
    for _, sent in first:
        sent.get(timeout=SECS)
    yield from first
    listed = registry.list_sessions.delay()
    listed.get(timeout=SECS)
    yield "list_sessions", listed
    yield "track_usage", registry.track_usage.apply_async((usage,), **KEPT)
    for name in ("get_session", "get_session_usage"):
        yield name, getattr(registry, name).delay("s1")
    yield "retrieve_session", vault.retrieve_session.delay("a1")
    yield "batch_archive", vault.batch_archive.delay([ArchiveEntry("s2", {"text": plant("batch-data")}, 365)])
    yield "delete_archive", vault.delete_archive.apply_async(("a1",), **KEPT)
    other = ArchiveEntry("s1", {"text": plant("conflicting-data")}, 365, "a1")
    yield "conflict", vault.archive_session.delay(other)
    large = ArchiveEntry("s1", {"text": plant("large-data") + "x" * 300_000}, 365)
    yield "too large", vault.archive_session.delay(large)
    yield "by hand", archival.archive_session.delay(graph_session)
    last = chains(plant)
    yield "chain's first", cast(AsyncResult, last.parent)
    yield "chain", last
    yield (
        "later",
        vault.archive_session.apply_async((ArchiveEntry("s3", {"text": plant("countdown-data")}, 365),), countdown=600),
    )


def chains(plant: Callable[[str], str]) -> AsyncResult:
    chain(
        registry.get_session.si("nobody"),
        vault.archive_session.si(ArchiveEntry("s4", {"text": plant("chain-never-run")}, 365)),
    ).apply_async()
    return chain(
        registry.register_session.si(SessionRegistration("s5", "m", metadata={"n": plant("chain-metadata")})),
        vault.archive_session.si(ArchiveEntry("s5", {"text": plant("chain-data")}, 365)),
    ).apply_async()


def foreign(plant: Callable[[str], str]) -> Sent:
    """What an app without this package may send, right and wrong."""
    url = BrokerConfig.from_env().redis_url
    plain = Celery(broker=url, backend=url, set_as_current=False)

    def send(name: str, kwargs: Any, args: Any = (), **options: Any) -> AsyncResult:
        full = f"memory_graph.{name}"
        return plain.send_task(full, args, kwargs, queue=full.rpartition(".")[0], **options)

    shown = {"argsrepr": plant("argsrepr"), "kwargsrepr": plant("kwargsrepr"), "shadow": plant("shadow")}
    report = {"session_id": "s1", "prompt_tokens": 1, "completion_tokens": 1}
    announced = {**report, "metadata": {"n": plant("announced")}}
    with Celery(broker=url, set_as_current=False) as loud:
        loud.conf.task_send_sent_event = True
        name, queue = "memory_graph.registry.track_usage", "memory_graph.registry"
        yield "announced", loud.send_task(name, kwargs={"report": announced}, queue=queue)
    yield "reprs", send("registry.track_usage", {"report": report}, headers={"note": plant("header")}, **shown)
    yield "wrong value", send("registry.track_usage", {"report": {**report, "prompt_tokens": plant("wrong-value")}})
    yield "wrong args", send("registry.get_session", {}, args=["s1", plant("wrong-args")], **shown)
    yield "wrong keyword", send("vault.archive_session", {"entri": {"text": plant("wrong-keyword")}}, **shown)
    yield "unknown task", send("vault.nobody_knows", {"text": plant("unknown-task")}, **shown)
    state = archival.sweeps()
    state.begin("crashing", Trigger.MANUAL, now())
    cursor = {plant("foreign-exception"): 1}
    crashing = send("archival.walk_page", {"sweep_id": "crashing", "pass_number": 1, "index": 0, "cursor": cursor})
    yield "foreign exception", crashing
    crashing.get(timeout=SECS, propagate=False)
    state.close("crashing")
    junk(Redis.from_url(url), plant)


def junk(redis: Redis, plant: Callable[[str], str]) -> None:
    redis.lpush("memory_graph.vault", b"\x00\xff" + plant("junk-bytes").encode())
    envelope = {
        "body": plant("undecodable-body"),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "memory_graph.vault.archive_session", "id": "undecodable"},
        "properties": {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "memory_graph.vault"}},
    }
    redis.lpush("memory_graph.vault", json.dumps(envelope))
    redis.close()


def liars(plant: Callable[[str], str]) -> Sent:
    """The same operations with services that quote, lie and break."""
    for kind in KINDS:
        # One failure of a service a task, or its breaker would open.
        yield f"registry {kind}", registry.get_session.delay(f"answer-{kind}")
        entry = ArchiveEntry(f"answer-{kind}", {"text": plant("sent-to-liar")}, 365)
        yield f"vault {kind}", vault.archive_session.delay(entry)
    yield "liar's batch", vault.batch_archive.delay([ArchiveEntry("b", {"text": plant("sent-in-batch")}, 365)])
    yield "liar's graph", archival.archive_session.delay("graph-FAILED_PRECONDITION")


def refused_here(plant: Callable[[str], str]) -> str:
    """What is not even sent."""
    try:
        vault.archive_session.delay(ArchiveEntry("s", {"text": {plant("refused-by-producer")}}, 0))
    except Exception as error:  # noqa: BLE001  whatever it is, it is looked at
        return everything_of(error)
    raise SystemExit("it was sent")


def everything_of(error: BaseException) -> str:
    """All that a log, an error tracker or a result backend may show of an error."""
    texts = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args), repr(vars(error))]
    return " ".join([*texts, repr(pickle.dumps(error))])


def seen(sent: Sent) -> dict[str, Any]:
    every = list(sent)
    found: dict[str, Any] = {"ids": {label: result.id for label, result in every}, "answers": {}, "errors": {}}
    for label, result in every:
        if label == "later":
            continue
        try:
            found["answers"][label] = result.get(timeout=SECS)
        except Exception as error:  # noqa: BLE001  whatever it is, it is looked at
            found["errors"][label] = everything_of(error)
    return found


def main(mode: str, run: str, graph_session: str = "") -> None:
    planted: dict[str, str] = {}

    def plant(place: str) -> str:
        return planted.setdefault(place, word(place, run))

    def both() -> Sent:
        yield from honest(plant, graph_session)
        yield from foreign(plant)

    found = seen(both() if mode == "honest" else liars(plant))
    found["errors"]["refused here"] = refused_here(plant)
    print(json.dumps({**found, "planted": planted}))  # noqa: T201  read by the test
    connections.redis().close()


if __name__ == "__main__":
    main(*sys.argv[1:])
