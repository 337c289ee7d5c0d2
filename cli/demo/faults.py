"""What the demo breaks in the middle of the sweep: a worker is killed, and the Vault goes away for seconds."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis import Redis

from ...delivery.held_queues.holds import HoldStore
from ...delivery.keys import Keys
from ..stack.processes import Child
from ..stack.stack import Stack
from ..terminal.failure import Failure
from ..terminal.wording import counted
from .story import Story

_CATCH_SECS = 5.0  # so long, the worker is looked at for a moment in which it holds a task
_HELD_SECS = 8.0  # for the workers to see that the Vault is away
_ASKED_SECS = 30.0  # for a question to it to fail
_BACK_SECS = 60.0


@dataclass
class Damage:
    """What was broken, and what became of it."""

    killed_workers: int = 0
    interrupted_tasks: int = 0
    redelivered_tasks: int = 0
    redelivered_secs: float = 0.0
    vault_away_secs: float = 0.0


class Faults:
    """Breaks parts of a running stack, and sees their work come back."""

    def __init__(self, stack: Stack, story: Story, redis: Redis, keys: Keys) -> None:
        self._stack, self._story, self._keys = stack, story, keys
        self._redis: Any = redis
        self._holds = HoldStore(redis, keys)
        self.damage = Damage()
        self._killed_at = 0.0
        self._missing: set[str] = set()  # interrupted tasks that no other worker has taken yet
        self._heir: Child | None = None
        self._read_to = 0

    def kill_worker(self, victim: Child, heir: Child, is_over: Callable[[], bool]) -> None:
        """Kill a worker with SIGKILL while it holds tasks; if it never does until the work is over, kill it idle."""
        held = self._catch(victim, is_over)
        self._heir, self._read_to = heir, heir.log.stat().st_size
        self._stack.children.kill(victim)
        self._killed_at, self._missing = time.monotonic(), held
        self.damage.killed_workers, self.damage.interrupted_tasks = 1, len(held)
        work = f"while it ran {counted(len(held), 'task')}" if held else "which held no task just then"
        self._story.tell(f"{victim.name} is killed with SIGKILL, {work}")

    def take_vault_away(self, progress: Callable[[], str], is_over: Callable[[], bool]) -> None:
        """Kill the Vault, wait until the workers hold the queues that need it, and start it again on the same data.

        Raises: Failure if it does not come back.
        """
        self._stack.kill_server("vault")
        since = time.monotonic()
        self._story.tell(f"The Vault is taken away, with {progress()}")
        held = self._story.wait_for(lambda: self._is_held() or is_over(), _HELD_SECS) and self._is_held()
        if held:
            self._story.tell("The workers hold the queues that need the Vault; the other queues go on")
        self._ask_in_vain()
        self._stack.launch_again("vault")
        if not self._story.wait_for(lambda: self.look() or self._stack.serves("vault"), _BACK_SECS):
            raise Failure(f"The Vault does not serve {_BACK_SECS:.0f} s after it was started again. Look at vault.log.")
        self.damage.vault_away_secs = round(time.monotonic() - since, 1)
        back = "the workers try it carefully, then at full speed" if held else "its tasks are tried again"
        self._story.tell(f"The Vault is back after {self.damage.vault_away_secs} s; {back}")

    def look(self) -> None:
        """See whether the heir has taken the tasks of the killed worker, and tell when it has taken the last one."""
        if not self._missing or self._heir is None:
            return
        with self._heir.log.open("rb") as log:
            log.seek(self._read_to)
            text = log.read().decode(errors="replace")
        self._missing -= {task_id for task_id in self._missing if f"[{task_id}] received" in text}
        self.damage.redelivered_tasks = self.damage.interrupted_tasks - len(self._missing)
        if not self._missing:
            self.damage.redelivered_secs = round(time.monotonic() - self._killed_at, 1)
            tasks = counted(self.damage.interrupted_tasks, "task")
            secs = self.damage.redelivered_secs
            self._story.tell(f"{self._heir.name} has the {tasks} of the killed worker, {secs} s after its death")

    def _catch(self, victim: Child, is_over: Callable[[], bool]) -> set[str]:
        """Freeze the worker in a moment in which it runs tasks; returns their ids.

        A frozen worker acknowledges nothing: what it ran when it was asked and is in-flight still, it takes along.
        """
        end = time.monotonic() + _CATCH_SECS
        while True:
            active = self._stack.active_tasks(victim)
            victim.freeze()
            held = active & self._in_flight()
            if held or is_over() or time.monotonic() > end:
                return held
            victim.thaw()

    def _in_flight(self) -> set[str]:
        """The ids of the tasks whose messages are not acknowledged."""
        return {str(json.loads(kept)[0]["headers"]["id"]) for kept in self._redis.hvals(self._keys.unacked)}

    def _is_held(self) -> bool:
        self.look()
        return self._holds.get("vault") is not None

    def _ask_in_vain(self) -> None:
        """Ask the away Vault as the workers do; the leading one has begun to ask before, and has its response, too.

        Workers that had no refusal when a Vault is back do not believe that it was away, and wait for a minute.
        """
        command = [sys.executable, "-m", "memory_graph_workers.tasks.probe", "vault"]
        with subprocess.Popen(command, env=self._stack.child_environ(), stderr=subprocess.DEVNULL) as probe:
            self._story.wait_for(lambda: self.look() or probe.poll() is not None, _ASKED_SECS)
            probe.kill()
