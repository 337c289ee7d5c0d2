"""Sending from coroutines: checked as by `delay`, never in the way of the loop."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from memory_graph_workers.clients.errors import NotFound
from memory_graph_workers.schemas.base import ValidationError
from memory_graph_workers.schemas.registry import SessionRegistration
from memory_graph_workers.tasks import awaiting
from memory_graph_workers.tasks.registry import get_session, register_session, track_usage
from memory_graph_workers.tasks.usage import UsageReporter
from memory_graph_workers.testing import InlineTasks, NoResult, SentTasks
from support.broker import Broker
from support.broker import broker as broker
from support.waiting import LONGEST_SECS

T = TypeVar("T")
HERE = Path(__file__).parent


async def value(sent: Awaitable[awaiting.AwaitableResult[T]], timeout: float = LONGEST_SECS) -> T:
    return await (await sent).aget(timeout)


def test_a_call_is_sent_and_its_result_awaited(sent_tasks: SentTasks) -> None:
    sent_tasks.returns(register_session, {"status": "active"})
    assert asyncio.run(value(register_session.asend(SessionRegistration("s-1", "gpt-4"))))["status"] == "active"
    asyncio.run(register_session.asend(session_id="s-2", model_id="gpt-4"))
    assert len(sent_tasks.calls(register_session)) == 2


def test_an_error_of_the_task_is_raised(sent_tasks: SentTasks) -> None:
    sent_tasks.raises(get_session, NotFound("no such session"))
    with pytest.raises(NotFound, match="no such session"):
        asyncio.run(value(get_session.asend("s")))


def test_a_task_without_a_result_gives_none_at_once(sent_tasks: SentTasks) -> None:
    assert asyncio.run(value(track_usage.asend(session_id="s", prompt_tokens=1, completion_tokens=2), 1)) is None
    sent_tasks.assert_sent(track_usage, session_id="s")


def test_a_result_that_the_test_did_not_set_fails_at_once(sent_tasks: SentTasks) -> None:
    with pytest.raises(NoResult):
        asyncio.run(value(get_session.asend("s")))
    sent_tasks.assert_sent(get_session)


def test_an_inline_task_gives_its_result(inline_tasks: InlineTasks) -> None:
    register_session.delay(session_id="s", model_id="m")
    assert asyncio.run(value(get_session.asend("s")))["model_id"] == "m"
    assert inline_tasks.failed == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"session_id": "", "model_id": "m"}, ValidationError), ({"sesion": "s"}, TypeError)],
)
def test_a_wrong_call_is_refused(sent_tasks: SentTasks, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        asyncio.run(register_session.asend(**fields))
    sent_tasks.assert_not_sent()


def test_a_reporter_outlives_the_loop_that_it_was_made_in(sent_tasks: SentTasks) -> None:
    async def report(reporter: UsageReporter | None = None) -> UsageReporter:
        reporter = reporter or UsageReporter(when_full="raise")
        reporter.report(session_id="s", prompt_tokens=1, completion_tokens=2)
        return reporter

    reporter = asyncio.run(report())
    asyncio.run(report(reporter))  # another loop: the first one is closed
    reporter.close()
    assert len(sent_tasks.calls(track_usage)) == 2
    with pytest.raises(RuntimeError, match="This UsageReporter is closed"):
        asyncio.run(report(reporter))


def test_a_reporter_is_closed_at_the_end_of_its_block(sent_tasks: SentTasks) -> None:
    async def report() -> UsageReporter:
        async with UsageReporter(interval_secs=60) as reporter:
            reporter.report(session_id="s", prompt_tokens=1, completion_tokens=2)
        return reporter

    assert asyncio.run(report()).backlog == 0
    sent_tasks.assert_sent(track_usage, session_id="s")


def test_a_loop_that_ends_while_a_call_is_sent_leaves_nothing_behind(sent_tasks: SentTasks) -> None:
    async def leave() -> None:
        sending = asyncio.ensure_future(get_session.asend("s"))
        await asyncio.sleep(0)
        assert not sending.done() or sending.result()

    asyncio.run(leave())
    asyncio.run(awaiting.in_thread(lambda: None))  # the threads are there for the next loop


def run(broker: Broker, *command: str) -> str:
    environ = {**os.environ, "REDIS_URL": broker.url, "KEY_PREFIX": ""}
    done = subprocess.run([sys.executable, *command], env=environ, capture_output=True, text=True, timeout=LONGEST_SECS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_loop_does_not_stall_while_the_broker_is_stopped(broker: Broker) -> None:
    told = json.loads(run(broker, str(HERE / "ticking.py"), str(broker.process.pid)))
    quiet, stall = told["rounds"][-1]
    assert stall <= max(0.05, quiet), f"stalls in seconds, without and with sends: {told['rounds']}"
    assert told["by_delay"] > 0.3, "the measure notices what does block"
    assert told["dropped"] > 0


AWAITS = """
import asyncio, os, signal, sys, time
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.registry import get_session

async def main():
    sent = await get_session.asend("s")
    try:
        await sent.aget(timeout=0.1)
    except TimeoutError as error:
        print(error)
    waiting = asyncio.ensure_future(sent.aget(timeout=60))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(app.backend.store_result, sent.id, {"status": "active"}, "SUCCESS")
    print(await waiting)
    print(await sent.aget(timeout=0))
    os.kill(int(sys.argv[1]), signal.SIGSTOP)
    began = time.monotonic()
    try:
        await sent.aget(timeout=0.1)
    except TimeoutError as error:
        print(time.monotonic() - began < 2, error)
    os.kill(int(sys.argv[1]), signal.SIGCONT)

asyncio.run(main())
"""


def test_a_result_is_found_when_it_comes_and_waited_for_no_longer_than_asked(broker: Broker) -> None:
    late, result, at_once, hung = run(broker, "-c", AWAITS, str(broker.process.pid)).splitlines()
    assert late.startswith("memory_graph.registry.get_session (")
    assert late.endswith("has no result after 0.1 s.")
    assert result == at_once == "{'status': 'active'}"
    assert hung == f"True {late}"


AWAY = """
import asyncio
from kombu.exceptions import OperationalError
from memory_graph_workers.tasks.registry import track_usage
try:
    asyncio.run(track_usage.asend(session_id="s", prompt_tokens=1, completion_tokens=2))
except OperationalError:
    print("away")
"""


def test_a_broker_that_is_away_raises_as_delay_does(broker: Broker) -> None:
    broker.stop()
    try:
        assert run(broker, "-c", AWAY) == "away\n"
    finally:
        broker.start()
