"""What every part needs: a Redis, the answering server, programs that run and are measured."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from memory_graph_workers.cli.stack import broker
from memory_graph_workers.cli.stack.directory import temporary_directory
from memory_graph_workers.cli.stack.ports import LOOPBACK, accepts
from memory_graph_workers.cli.stack.processes import Child, Children
from memory_graph_workers.cli.stack.servers import Running, Server, launch, start_all, wait_ready
from memory_graph_workers.cli.stack.watcher import wait_until

HERE = Path(__file__).parent
PASSWORD = "bench"
MIB = 2**20


@dataclass(frozen=True)
class Seen:
    """What the server saw: how many requests, and when the Kth and the last came."""

    count: int
    bounds: tuple[float, float] | None
    archived: int
    archived_bounds: tuple[float, float] | None
    pages: int
    listed_bounds: tuple[float, float] | None


class Rig:
    """One Redis and one HTTP server for all contenders of a run."""

    def __init__(self, children: Children, directory: Path, running: Mapping[str, Running]) -> None:
        self.children, self.directory, self._programs = children, directory, 0
        ports = {name: found.port for name, found in running.items()}
        self._redis = running["redis"]
        self.redis_url = f"redis://:{PASSWORD}@{LOOPBACK}:{ports['redis']}/0"
        self.server_url = f"http://{LOOPBACK}:{ports['server']}"
        self.graph_url = f"grpc://{LOOPBACK}:{ports['graph']}"
        self.redis = redis.Redis.from_url(self.redis_url)

    @property
    def redis_pid(self) -> int:
        """The process of Redis."""
        return self._redis.child.process.pid

    @contextmanager
    def redis_away(self) -> Generator[None]:
        """Stop Redis, and start it with the same data and port when the block ends."""
        self.children.stop(self._redis.child)
        yield
        self._redis = launch(self.children, self._redis.server, self._redis.port)
        wait_ready(self._redis)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every program: ours and the peers read what they know."""
        told = {
            "BENCH_REDIS": self.redis_url,
            "BENCH_SERVER": self.server_url,
            "REDIS_URL": self.redis_url,
            "REGISTRY_URL": self.server_url,
            "REGISTRY_API_KEY": "bench",
            "REGISTRY_HONOURS_IDEMPOTENCY": "true",
            "VAULT_URL": self.server_url,
            "VAULT_API_KEY": "bench",
            "MEMORY_GRAPH_URL": self.graph_url,
            "PYTHONPATH": str(HERE),
            "PYTHONWARNINGS": "ignore",
        }
        return {**os.environ, **told}

    def reset(self, delay_ms: float = 0, **listing: Any) -> None:
        """Forget all messages and all requests; from now on an answer takes `delay_ms`."""
        self.redis.flushall()
        self.answers(delay_ms, **listing)

    def answers(self, delay_ms: float = 0, **listing: Any) -> None:
        """Forget all requests; from now on an answer takes `delay_ms`."""
        query = "&".join(f"{name}={value}" for name, value in {"delay_ms": delay_ms, **listing}.items())
        _asked(f"{self.server_url}/bench/reset?{query}")

    def seen(self, after: int = 0) -> Seen:
        """What the server saw since the last reset."""
        found = _asked(f"{self.server_url}/bench/seen?after={after}")
        return Seen(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})

    def python(self, *arguments: str, **environ: str) -> Any:
        """Run a program of ours to its end, and return the JSON that it printed last."""
        command, environment = [sys.executable, *arguments], {**self.environ, **environ}
        done = subprocess.run(command, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def program(self, name: str, arguments: Sequence[str], **environ: str) -> Generator["Program"]:
        """A module that runs beside us until the block ends."""
        self._programs += 1
        command = [sys.executable, "-m", *arguments]
        child = self.children.start(f"{self._programs}-{name}", command, {**self.environ, **environ})
        try:
            yield Program(child)
        finally:
            self.children.stop(child)

    def wait_for(self, count: int, secs: float, program: "Program | None" = None) -> None:
        """Wait until the server saw `count` requests."""
        self._wait(lambda: self.seen().count, count, secs, program)

    def wait_for_archived(self, count: int, secs: float, program: "Program | None" = None) -> None:
        """Wait until `count` sessions were marked as archived."""
        self._wait(lambda: self.seen().archived, count, secs, program)

    def _wait(self, seen: Callable[[], int], count: int, secs: float, program: "Program | None") -> None:
        if not wait_until(lambda: seen() >= count or (program is not None and program.ended), secs):
            log = program.child.log_tail() if program else ""
            raise RuntimeError(f"{seen()} of {count} came within {secs} s\n{log}")
        if program is not None and program.ended and seen() < count:
            raise RuntimeError(f"{program.child.name} ended:\n{program.child.log_tail()}")


class Program:
    """A program and all that it started."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._cpu: dict[int, float] = {}
        self.peak_mib = 0.0

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return not self.child.is_alive

    def cpu_secs(self) -> float:
        """Processor seconds that it and its children used, those that ended since the last look included."""
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
        return sum(self._cpu.values())

    def memory_mib(self) -> float:
        """What its processes hold that is theirs alone, with a fair share of what they share."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.Error):
                total += process.memory_full_info().pss / MIB
        self.peak_mib = max(self.peak_mib, total)
        return total

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            parent = psutil.Process(self.child.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []


@contextmanager
def rig() -> Generator[Rig]:
    """Start Redis and the server; both go when the block ends."""
    with temporary_directory(keep_logs=False) as (directory, children):
        running = start_all(children, [_redis(directory), _python("server"), _python("graph")])
        yield Rig(children, directory, running)


def _redis(parent: Path) -> Server:
    program, directory = broker.find_server(), parent / "redis"

    def command(port: int) -> list[str]:
        return [program, str(broker.write_config(directory, port, PASSWORD)), "--dir", str(directory)]

    return Server(
        "redis", command, dict(os.environ), lambda port: broker.answers(f"redis://:{PASSWORD}@{LOOPBACK}:{port}/0")
    )


def _python(name: str) -> Server:
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    return Server(name, lambda port: [sys.executable, str(HERE / f"{name}.py"), str(port)], environ, accepts)


def _asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def pause(secs: float = 0.05) -> None:
    """Between two looks."""
    time.sleep(secs)
