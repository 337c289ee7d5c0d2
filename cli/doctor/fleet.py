"""The doctor's look at the fleet: versions, limits, workers, queues, sweeps, dead letters."""

import json
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import redis
from packaging.requirements import Requirement

from ...delivery import installed
from ...tasks import connections
from ...tasks.app import ARCHIVAL, HEALTH, REGISTRY, VAULT, app
from ...tasks.archival.state import Status, Sweeps
from ...tasks.config import BrokerConfig, WorkerConfig
from ...tasks.operation import SENT_AT
from ..queues import held, lists, waiting
from .finding import Finding, State, judged

QUEUES = (REGISTRY, VAULT, ARCHIVAL, HEALTH)
_ANSWER_SECS = 1.0
_LONG_WAIT_SECS = 900
# A worker that lost its connection waits up to half a minute before it connects anew, and its lease must outlast that.
_SHORTEST_TIMEOUT_SECS = 45


def check_versions() -> Iterator[Finding]:
    """The installed versions against those that this release was tested with; some lose tasks."""
    for requirement in map(Requirement, requires("memory-graph-workers") or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "absent"
        holds = found != "absent" and requirement.specifier.contains(found, prereleases=True)
        fix = f"pip install '{requirement}' (newer ones were seen to lose tasks, older ones lack what is needed)"
        if not holds or requirement.name in {"celery", "kombu", "redis"}:
            yield judged(f"version: {requirement.name}", holds, found, fix)


def check_limits(config: WorkerConfig) -> Iterator[Finding]:
    """The visibility timeout against what it must outlast."""
    timeout_secs = config.broker.visibility_timeout_secs
    fix = f"Set VISIBILITY_TIMEOUT_SECS to {_SHORTEST_TIMEOUT_SECS} or more, the same everywhere: a worker that "
    fix += "reconnects after an outage needs half a minute, and until then others take its tasks."
    yield judged("visibility timeout", timeout_secs >= _SHORTEST_TIMEOUT_SECS, f"{timeout_secs} s", fix, State.WARNING)
    yield Finding("time limit", State.OK, f"{config.tasks.time_limit_secs:g} s; the lease is renewed meanwhile")


def check_workers(config: WorkerConfig) -> Iterator[Finding]:
    """What the workers that answer say of themselves."""
    inspect: Any = app.control.inspect(timeout=_ANSWER_SECS)
    settings: dict[str, Any] = inspect.conf() or {}
    yield judged("workers", bool(settings), f"{len(settings)} answer", f"Start one: {_START}")
    if not settings:
        return
    yield _same_timeout(config.broker.visibility_timeout_secs, settings)
    yield _soft_shutdown(settings)
    yield from _pools(inspect.stats() or {})
    yield from _consumed(inspect.active_queues() or {})


_START = "celery -A memory_graph_workers.tasks.app worker --pool prefork -c 6 -l INFO"


def check_waiting(config: BrokerConfig) -> Iterator[Finding]:
    """What waits, how long already, and what dead workers left."""
    if not installed(app).keeps_broker:
        return
    with redis.Redis.from_url(config.broker, socket_timeout=5, socket_connect_timeout=5) as server:
        for queue in QUEUES:
            yield _waiting(server, queue)
        yield _abandoned(server, config.visibility_timeout_secs)


def check_store(config: WorkerConfig) -> Iterator[Finding]:
    """Dead letters, held queues, and the sweeps' switch and last end."""
    letters = installed(app).dead_letters
    count, warning = letters.count(), letters.warning()
    fix = "mgw dead list; then mgw dead replay or mgw dead purge."
    yield judged("dead letters", not count, warning or f"{count}", fix, State.WARNING)
    for queue in QUEUES:
        yield from _held(queue)
    yield from _sweeps(Sweeps(connections.redis()))


def _same_timeout(ours: int, settings: dict[str, Any]) -> Finding:
    found = {name: _option(conf, "visibility_timeout") for name, conf in settings.items()}
    other = {name: secs for name, secs in found.items() if secs != ours}
    text = ", ".join(f"{name} {secs} s" for name, secs in other.items()) or f"{ours} s everywhere"
    fix = f"Set VISIBILITY_TIMEOUT_SECS to the same everywhere (here {ours}) and restart: the shortest wins."
    return judged("visibility timeout of the workers", not other, text, fix)


def _soft_shutdown(settings: dict[str, Any]) -> Finding:
    waiting = [name for name, conf in settings.items() if conf.get("worker_soft_shutdown_timeout")]
    fix = "Leave worker_soft_shutdown_timeout at 0: Celery's own wait hands back tasks that end in it."
    return judged("clean stop", not waiting, ", ".join(waiting) or "by our own grace period", fix)


def _pools(stats: dict[str, Any]) -> Iterator[Finding]:
    other = [name for name, stat in stats.items() if "prefork" not in str(_pool(stat))]
    fix = "Start workers with --pool prefork: it is the pool that is promised for."
    yield judged("pool", not other, ", ".join(other) or "prefork", fix, State.WARNING)


def _consumed(queues: dict[str, Any]) -> Iterator[Finding]:
    taken = {queue["name"] for listed in queues.values() for queue in listed}
    missing = [queue for queue in QUEUES if queue not in taken]
    fix = "Start a worker without -Q, or one for these queues."
    yield judged("queues", not missing, f"nobody takes {', '.join(missing)}" if missing else "all are taken", fix,
                 State.WARNING)  # fmt: skip


def _waiting(server: "redis.Redis", queue: str) -> Finding:
    ages = [age for key in lists(queue) if (age := _age_secs(server.lindex(key, -1))) is not None]
    oldest = f", the oldest for {max(ages):.0f} s" if ages else ""
    fix = "Are workers running, and their services up? Add workers if the queue keeps growing."
    return judged(
        f"waiting: {queue}",
        max(ages, default=0) < _LONG_WAIT_SECS,
        f"{waiting(server, queue)}{oldest}",
        fix,
        State.WARNING,
    )


def _held(queue: str) -> Iterator[Finding]:
    found = held(queue)
    if found is not None:
        text = f"for {found.service} since {found.since:%Y-%m-%d %H:%M:%S} UTC: {found.why}"
        fix = "Mend the service; the queue is freed by itself."
        yield Finding(f"held: {queue}", State.WARNING, text, fix)


def _age_secs(item: Any) -> float | None:
    """How long a message has waited, if its sender said when it was sent; a countdown is no waiting."""
    try:
        headers = json.loads(item)["headers"]
        return max(0.0, time.time() - float(headers[SENT_AT])) if not headers.get("eta") else None
    except (TypeError, ValueError, KeyError):
        return None


def _abandoned(server: "redis.Redis", timeout_secs: int) -> Finding:
    seconds, _ = server.time()
    left = server.zcount(installed(app).keys.unacked_index, "-inf", seconds - timeout_secs - 10)
    fix = "Start a worker: it puts what dead workers held back on its queue."
    return judged("held by dead workers", not left, str(left), fix, State.WARNING)


def _sweeps(state: Sweeps) -> Iterator[Finding]:
    yield judged("sweeps", not state.paused(), "paused" if state.paused() else "not paused", "mgw sweeps resume",
                 State.WARNING)  # fmt: skip
    last = next(state.newest(1), None)
    if last is not None:
        found = f"{last.status} {last.reason}".strip()
        fix = f"mgw sweeps show {last.sweep_id}"
        yield judged("last sweep", last.status is not Status.INCOMPLETE, found, fix, State.WARNING)


def _option(conf: dict[str, Any], name: str) -> Any:
    return (conf.get("broker_transport_options") or {}).get(name)


def _pool(stat: dict[str, Any]) -> Any:
    return (stat.get("pool") or {}).get("implementation")
