"""One look at everything: what was just read, and what was read last of a server that does not answer."""

from typing import Any

from ...delivery.held_queues.holds import DEAD_LETTERS, PERSON
from ...schemas.fields import now
from ..readings.broker import is_held
from ..readings.samples import Fact
from ..readings.servers import known_tasks, read, servers_of
from ..readings.state import OTHER
from ..target import Target
from .facts import Facts

_LONGEST_SECS = 2.0  # with the start of the program, it takes about three to say that Redis does not answer
_MOST_GROUPS = 5
_FILLED = "its dead letters fill up; replay or purge them"

Values = dict[str, Any]


class Looks:
    """Looks at an app again and again; of a server that does not answer it tells what that said last, as stale."""

    def __init__(self, target: Target) -> None:
        self._target, self._servers = target, servers_of(target, known_tasks(target))
        self._services = sorted({one for needed in target.delivery.needs.values() for one in needed})
        self._last: dict[str, list[Fact]] = {}

    def look(self) -> Values:
        """Everything, as `--json` shows it; None is what nobody knows.

        `ok` is whether everything was read just now. Workers and queues are what the server `broker` said, the rest is
        what `state` said.
        """
        servers = [self._server(name, said) for name, said in read(self._servers, _LONGEST_SECS).items()]
        known = Facts(one for said in self._last.values() for one in said)
        ours = self._target.is_ours
        return {
            "looked_at": now(),
            "app": self._target.name,
            "ok": all(server["is_up"] and not server["unreadable"] for server in servers),
            "servers": servers,
            "workers": _workers(known),
            "queues": [self._queue(known, queue) for queue in self._target.queues],
            "services": [_service(known, service) for service in self._services],
            "dead_letters": [_pot(known, pot) for pot in ("failures", "quarantine")],
            "sweeps": _sweeps(known) if ours else None,
            "beat": {"has_lock": known.flag("beat_lock_held"), "beats": known.count("beats")} if ours else None,
        }

    def _server(self, name: str, said: list[Fact]) -> Values:
        """One server; its last reading is replaced if it has answered."""
        found = Facts(said)
        is_up = bool(found.flag("redis_up", name))
        if is_up:
            self._last[name] = said
        known = Facts(self._last.get(name, ()))
        is_primary = known.flag("redis_primary", name)
        return {
            "server": name,
            "is_up": is_up,
            "error": found.note("redis_error", name),
            "read_at": found.moment("last_read_timestamp_seconds", name),
            "is_stale": not is_up and name in self._last,
            "unreadable": [labels[-1] for labels, readable in known.all("part_readable", name) if not readable],
            "role": None if is_primary is None else "primary" if is_primary else "replica",
            "memory_bytes": known.count("redis_memory_bytes", name),
            "memory_max_bytes": known.count("redis_memory_max_bytes", name),
        }

    def _queue(self, known: Facts, queue: str) -> Values:
        needs = self._target.delivery.needs.get(queue, ())
        waiting, age_secs = known.count("queue_messages_waiting", queue), known.secs("queue_oldest_age_seconds", queue)
        held = is_held(known.numbers, queue, needs)
        is_known = held or (waiting is not None and known.flag("queue_full", queue) is not None)
        return {
            "queue": queue,
            "waiting": waiting,
            "in_flight": known.count("queue_messages_in_flight", queue),
            "oldest_age_secs": age_secs or None,  # it is 0 if no message says when it was sent
            "is_held": held if is_known else None,
            **_held_for(known, queue, needs),
            "permits": known.count("queue_permits", queue),
            "by_hand": _by_hand(known, queue),
        }


def _held_for(known: Facts, queue: str, needs: Any) -> Values:
    """What a queue is held for, since when and why: a person, its dead letters, or the service that restricts it most.

    Nothing, while a person keeps it free.
    """
    decided = _by_hand(known, queue)
    if decided is not None:
        why = f"{decided['by']}: {decided['reason']}"
        held = {"held_for": PERSON, "since": decided["since"], "why": why}
        return held if decided["is_held"] else dict.fromkeys(held)
    if known.flag("queue_full", queue):
        return {"held_for": DEAD_LETTERS, "since": None, "why": _FILLED}
    held = [service for service in needs if known.flag("service_held", service)]
    strictest = min(held, key=lambda service: known.count("service_permits", service) or 0, default=None)
    return {"held_for": strictest, **_since_and_why(known, strictest or "")}


def _by_hand(known: Facts, queue: str) -> Values | None:
    """What a person decided about a queue."""
    by = known.note("queue_decided_by", queue)
    if by is None:
        return None
    return {
        "is_held": known.flag("queue_held_by_person", queue),
        "by": by,
        "reason": known.note("queue_decided_why", queue),
        "since": known.time("queue_decided_since", queue),
    }


def _since_and_why(known: Facts, service: str) -> Values:
    return {"since": known.time("service_held_since", service), "why": known.note("service_held_why", service)}


def _workers(known: Facts) -> Values:
    return {
        "alive": known.count("workers"),
        "scheduled": known.count("messages_scheduled"),
        "abandoned": known.count("messages_abandoned"),
        "in_flight_unknown": known.count("messages_in_flight_unknown"),
    }


def _service(known: Facts, service: str) -> Values:
    return {
        "service": service,
        "breaker": known.state("breaker_state", service),
        "is_held": known.flag("service_held", service),
        **_since_and_why(known, service),
        "permits_a_second": known.count("service_permits", service),
    }


def _pot(known: Facts, pot: str) -> Values:
    found = sorted(known.all("dead_letters", pot), key=lambda group: -group[1])
    groups = [
        {"task": _known(task), "reason": _known(reason), "count": int(count)}
        for (_, task, reason), count in found[:_MOST_GROUPS]
        if count
    ]
    return {
        "pot": pot,
        "count": int(sum(count for _, count in found)) if found else None,
        "max": known.count("dead_letters_max", pot),
        "size_bytes": known.count("dead_letters_bytes", pot),
        "max_bytes": known.count("dead_letters_max_bytes", pot),
        "dropped": known.count("dead_letters_dropped", pot),
        "groups": groups,
    }


def _known(label: str) -> str | None:
    return None if label == OTHER else label


def _sweeps(known: Facts) -> Values:
    newest = {
        "sweep_id": known.note("sweep_id"),
        "trigger": known.note("sweep_trigger"),
        "status": known.state("sweep_status"),
        "reason": known.note("sweep_reason"),
        "started_at": known.time("sweep_started_at"),
        "finished_at": known.time("sweep_finished_at"),
        "listed": known.count("sweep_sessions_listed"),
        **{outcome: known.count("sweep_sessions", outcome) for outcome in _OUTCOMES},
        "batches_in_flight": known.count("sweep_batches_in_flight"),
    }
    return {"is_paused": known.flag("sweeps_paused"), "newest": newest if newest["sweep_id"] else None}


_OUTCOMES = ("archived", "failed", "skipped", "pending")
