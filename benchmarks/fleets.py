"""Fleets of real and of replayed workers (`replayed.py`), and what is measured of them."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import uuid4

from drain import OUR_APP
from memory_graph_workers.cli.stack.watcher import wait_until
from meter import tree_cpu_secs
from payloads import SESSIONS
from rig import Program, Rig

A_PROCESS = 100  # replayed workers
IDLE_SECS = 30.0  # one look at an idle fleet
BURST, PARTS, TASK_SECS = 50_000, 50, 1.0
AWAY_SECS = 10.0
QUEUE, FLEET = "memory_graph.registry", "memory_graph:workers"


@dataclass(frozen=True)
class Fleet:
    """So many workers, real or replayed."""

    workers: int
    is_real: bool = False

    @property
    def name(self) -> str:
        """As the tables name it."""
        return f"{self.workers}{'' if self.is_real else ' replayed'}"


@dataclass(frozen=True)
class Idle:
    """What an idle fleet cost: all a second, and the processor as a share of a core."""

    commands: float
    processor: float
    bytes_in: float
    bytes_out: float


@dataclass(frozen=True)
class Return:
    """How a fleet came back: tries and connections in the busiest second, and seconds."""

    tries: float
    connections: float
    pause_secs: float
    last_secs: float


class Running:
    """A fleet that runs, and what its workers tell."""

    def __init__(self, rig: Rig, fleet: Fleet, programs: Sequence[Program]) -> None:
        self._rig, self._fleet, self._programs = rig, fleet, programs

    def told(self, what: str, since: float = 0.0) -> list[tuple[float, int]]:
        """When each replayed worker did something, by the monotonic clock, in order."""
        lines = (line for one in self._programs for line in one.child.log.read_text().splitlines())
        said: Iterator[dict[str, Any]] = (
            json.loads(line) for line in lines if line.startswith('{"what"') and line.endswith("}")
        )
        return sorted((one["at"], one["worker"]) for one in said if one["what"] == what and one["at"] >= since)

    def wait(self, holds: Callable[[], object], secs: float, what: str) -> None:
        """Wait until something holds.

        Raises: RuntimeError, with the end of a log.
        """
        if not wait_until(lambda: bool(holds()), secs):
            raise RuntimeError(f"{self._fleet.name}: {what} within {secs} s\n{self._programs[0].child.log_tail()}")

    def idle(self) -> Idle:
        """Look for half a minute at what Redis does."""
        before, cpu, began = _counts(self._rig), tree_cpu_secs(self._rig.redis_pid), time.monotonic()
        time.sleep(IDLE_SECS)
        passed, used = time.monotonic() - began, tree_cpu_secs(self._rig.redis_pid) - cpu
        after = _counts(self._rig)
        commands, received, sent = (new - old for new, old in zip(after, before, strict=True))
        return Idle(commands / passed, used / passed, received / passed, sent / passed)

    def first_secs(self) -> float:
        """Seconds from a message on an empty queue until its call comes, or until a replayed worker has taken it."""
        self._rig.answers()
        sent_at = time.monotonic()
        self._rig.redis.lpush(QUEUE, message())
        if self._fleet.is_real:
            self.wait(lambda: self._rig.seen().bounds, 60, "no call came")
            first, _ = self._rig.seen().bounds or (0.0, 0.0)
            return first - sent_at
        self.wait(lambda: self.told("took", sent_at), 60, "no message was taken")
        return self.told("took", sent_at)[0][0] - sent_at

    def burst(self) -> float:
        """Seconds from the beginning of a burst until nine of ten workers have taken a message of it."""
        some = [message() for _ in range(BURST // PARTS)]
        wanted = self._fleet.workers * 9 // 10
        began = time.monotonic()
        for _ in range(PARTS):
            self._rig.redis.lpush(QUEUE, *some)
        self.wait(lambda: len(firsts(self.told("took", began))) >= wanted, 120, f"{wanted} workers took nothing")
        self._rig.redis.delete(QUEUE)
        return firsts(self.told("took", began))[wanted - 1] - began

    def comes_back(self) -> Return:
        """Stop Redis for a while, start it again, and wait until every worker is back."""
        ready = len(self.told("ready"))
        with self._rig.redis_away():
            away_at = time.monotonic()
            time.sleep(AWAY_SECS)
        back_at, seen = time.monotonic(), list[tuple[float, int]]()

        def all_back() -> bool:
            seen.append((time.monotonic(), self._rig.redis.info("stats")["total_connections_received"]))
            return len(self.told("ready")) >= ready + self._fleet.workers

        self.wait(all_back, 120, "not all came back")
        tries = self.told("tried", away_at)
        by_worker: dict[int, list[float]] = {}
        for at, worker in tries:
            by_worker.setdefault(worker, []).append(at)
        pauses = [later - at for found in by_worker.values() for at, later in pairwise(found)]
        last = self.told("ready", back_at)[-1][0]
        return Return(busiest([at for at, _ in tries]), fastest(seen), max(pauses), last - back_at)


@contextmanager
def running(rig: Rig, fleet: Fleet) -> Generator[Running]:
    """Start a fleet and wait until all of it is there."""
    rig.reset()
    with ExitStack() as stack:
        programs = [stack.enter_context(rig.program(*one)) for one in commands(fleet)]
        found = Running(rig, fleet, programs)
        found.wait(lambda: rig.redis.zcard(FLEET) >= fleet.workers, 240, "not all workers came")
        yield found


def commands(fleet: Fleet) -> Iterator[tuple[str, list[str]]]:
    """The programs of a fleet, by name."""
    if fleet.is_real:
        for number in range(fleet.workers):
            options = ["-P", "prefork", "-c", "1", "-n", f"real-{number}@bench", "--loglevel", "WARNING"]
            yield "celery", ["celery", "-A", OUR_APP, "worker", *options]
        return
    for start in range(0, fleet.workers, A_PROCESS):
        many = min(A_PROCESS, fleet.workers - start)
        yield "replayed", ["replayed", str(start), str(many), str(TASK_SECS)]


def message() -> bytes:
    """A usage report as a producer in any language sends it (docs/producers.md)."""
    body = json.dumps([[], {"report": {"session_id": SESSIONS[0], "prompt_tokens": 1, "completion_tokens": 1}}, {}])
    task_id = str(uuid4())
    made = {
        "body": b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "any", "id": task_id, "task": f"{QUEUE}.track_usage", "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": QUEUE, "routing_key": QUEUE},
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    return json.dumps(made).encode()


def firsts(took: Iterable[tuple[float, int]]) -> list[float]:
    """When each worker took its first message, in order."""
    found: dict[int, float] = {}
    for at, worker in took:
        found.setdefault(worker, at)
    return sorted(found.values())


def busiest(times: Sequence[float]) -> float:
    """How many there were in the busiest second."""
    return float(max((sum(at <= other < at + 1 for other in times) for at in times), default=0))


def fastest(counts: Sequence[tuple[float, int]]) -> float:
    """By how much a count that was looked at again and again grew in the busiest second."""
    grown = [later[1] - one[1] for one in counts for later in counts if one[0] <= later[0] <= one[0] + 1]
    return float(max(grown, default=0))


def _counts(rig: Rig) -> tuple[int, int, int]:
    """Commands that Redis ran, those of scripts included, and the bytes that came and went."""
    found = rig.redis.info("stats")
    return found["total_commands_processed"], found["total_net_input_bytes"], found["total_net_output_bytes"]
