"""Mistakes that every type checker finds: each on its line, and nothing else."""

from memory_graph_workers import outbox
from memory_graph_workers.schemas.registry import SessionRegistration, UsageReport
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import archival, vault
from memory_graph_workers.tasks.bulk import enqueue_many
from memory_graph_workers.tasks.registry import get_session, register_session, track_usage
from memory_graph_workers.tasks.usage import UsageReporter

reporter = UsageReporter()
register_session.delay(SessionRegistration("s", "m"), idempotency="k")  # wrong
register_session.delay(sesion_id="s", model_id="m")  # wrong
register_session.delay(session_id="s")  # wrong
register_session.delay(session_id=5, model_id="m")  # wrong
register_session.delay("s", "m")  # wrong
register_session.delay(UsageReport("s", 1, 2))  # wrong
register_session.delay()  # wrong
register_session.si(sesion_id="s", model_id="m")  # wrong
register_session.si(session_id="s")  # wrong
register_session.s(session_id="s", model="m")  # wrong
register_session.s(session_id="s")  # wrong
register_session.delay(session_id="s", model_id="m").get()["statsu"]  # wrong
track_usage.delay(session_id="s", prompt_tokens=1, completion_tokens="2")  # wrong
track_usage.delay(session_id="s", prompt_tokens=1, completion_tokens=2).get()["total"]  # wrong
get_session.delay()  # wrong
get_session.delay(5)  # wrong
get_session.delay(session="s")  # wrong
get_session.si(session="s")  # wrong
get_session.s(session="s")  # wrong
vault.batch_archive.delay(ArchiveEntry("s", 1, 365))  # wrong
vault.archive_session.delay(session_id="s", data={})  # wrong
archival.archive_session.delay(session="s")  # wrong
register_session.asend(sesion_id="s", model_id="m")  # wrong
register_session.asend(UsageReport("s", 1, 2))  # wrong
get_session.asend()  # wrong
get_session.asend(5)  # wrong
enqueue_many(register_session, [{"session_id": "s", "modelid": "m"}])  # wrong
enqueue_many(register_session, [{"session_id": "s"}])  # wrong
enqueue_many(register_session, [UsageReport("s", 1, 2)])  # wrong
enqueue_many(register_session, [SessionRegistration("s")])  # wrong
outbox.send_with_cursor(None, register_session, sesion_id="s", model_id="m")  # wrong
outbox.send_with_cursor(None, get_session, 5)  # wrong
reporter.report(session="s", prompt_tokens=1, completion_tokens=2)  # wrong
reporter.report(session_id="s", prompt_tokens=1)  # wrong
reporter.report(UsageReport("s", 1, 2), session_id="s")  # wrong
UsageReporter(when_full="wait")  # wrong


async def from_a_coroutine() -> None:
    """A result is known to its keys here, too."""
    sent = await get_session.asend("s")
    (await sent.aget(timeout=1))["statsu"]  # wrong
    (await (await register_session.asend(session_id="s", model_id="m")).aget())["statsu"]  # wrong
