"""The doctor's look at the running workers: the app's own, and those of other apps on the same database."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...delivery.keys import PLAIN_UNACKED
from ..target import Target
from .finding import Finding, State, judged

_RESPONSE_SECS = 1.0

Settings = Mapping[str, Any]


def check_workers(target: Target) -> Iterator[Finding]:
    """What the workers that respond say about themselves."""
    inspect: Any = target.app.control.inspect(timeout=_RESPONSE_SECS)
    everybody: dict[str, Settings] = inspect.conf() or {}
    queues: dict[str, list[dict[str, Any]]] = inspect.active_queues() or {}
    ours = {name: conf for name, conf in everybody.items() if _is_of(target, conf)}
    yield judged("workers", bool(ours), f"{len(ours)} respond", f"Start one: {target.worker_command}")
    if ours:
        yield _same_timeout(target, ours)
        yield _soft_shutdown(ours)
        yield _pools({name: stat for name, stat in (inspect.stats() or {}).items() if name in ours})
        yield _consumed(target, {name: listed for name, listed in queues.items() if name in ours})
    others = {name: conf for name, conf in everybody.items() if name not in ours}
    if others:
        yield _others(target, others, queues)


def _is_of(target: Target, conf: Settings) -> bool:
    return _option(conf, "delivery_prefix") == target.delivery.unprefixed_keys.prefix


def _same_timeout(target: Target, settings: Mapping[str, Settings]) -> Finding:
    expected = target.delivery.visibility_timeout_secs
    different = {name: secs for name, conf in settings.items() if (secs := _timeout(conf)) != expected}
    found = ", ".join(f"{name} {secs} s" for name, secs in different.items()) or f"{expected} s everywhere"
    fix = f"{_setting(target)} to the same value everywhere (here {expected}) and restart: the shortest one wins."
    return judged("visibility timeout of the workers", not different, found, fix)


def _setting(target: Target) -> str:
    return "Set VISIBILITY_TIMEOUT_SECS" if target.is_ours else "Set install's visibility_timeout_secs"


def _soft_shutdown(settings: Mapping[str, Settings]) -> Finding:
    waiting = [name for name, conf in settings.items() if conf.get("worker_soft_shutdown_timeout")]
    fix = "Leave worker_soft_shutdown_timeout at 0: Celery's own wait hands back tasks that end during it."
    return judged("graceful shutdown", not waiting, ", ".join(waiting) or "by our own grace period", fix)


def _pools(stats: Mapping[str, Any]) -> Finding:
    other = [name for name, stat in stats.items() if "prefork" not in str(_pool(stat))]
    fix = "Start workers with --pool prefork: other pools lose tasks."
    return judged("pool", not other, ", ".join(other) or "prefork", fix, State.WARNING)


def _consumed(target: Target, queues: Mapping[str, list[dict[str, Any]]]) -> Finding:
    missing = [queue for queue in target.queues if queue not in _names(queues)]
    found = f"nobody consumes {', '.join(missing)}" if missing else "all are consumed"
    fix = f"Start a worker for them: {target.worker_command} -Q {','.join(missing)}"
    return judged("queues", not missing, found, fix, State.WARNING)


def _others(target: Target, settings: Mapping[str, Settings], queues: Mapping[str, list[dict[str, Any]]]) -> Finding:
    """Workers of other apps harm ours if they take our messages, or restore messages that ours have in flight."""
    own = target.delivery.unprefixed_keys.unacked
    harmful = [
        f"{name} ({_transport(conf)}, visibility timeout {_timeout(conf)} s)"
        for name, conf in settings.items()
        if _unacked(conf) == own or _names({name: queues.get(name, [])}) & set(target.queues)
    ]
    found = ", ".join(harmful) or f"{len(settings)} workers of other apps, with queues and keys of their own"
    fix = "Give the other app another database number (redis://host:port/1): it takes or restores messages of this app."
    return judged("other apps on this database", not harmful, found, fix)


def _names(queues: Mapping[str, list[dict[str, Any]]]) -> set[str]:
    return {queue["name"] for listed in queues.values() for queue in listed}


def _transport(conf: Settings) -> str:
    prefix = _option(conf, "delivery_prefix")
    return f"delivery with the prefix {prefix}" if prefix else "kombu's own transport"


def _timeout(conf: Settings) -> Any:
    return _option(conf, "visibility_timeout") or 3600  # kombu's default


def _unacked(conf: Settings) -> Any:
    return _option(conf, "unacked_key") or PLAIN_UNACKED


def _option(conf: Settings, name: str) -> Any:
    return (conf.get("broker_transport_options") or {}).get(name)


def _pool(stat: Any) -> Any:
    return (stat.get("pool") or {}).get("implementation")
