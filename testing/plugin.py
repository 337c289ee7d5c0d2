"""The pytest plugin: the fixtures `sent_tasks` and `inline_tasks`. Nothing of Celery is loaded until one is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .in_process import InlineTasks
    from .sent_tasks import SentTasks

STRICT = "sent_tasks_strict"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting that catches a test that forgets to look."""
    told = "A test that sends tasks under `sent_tasks` and looks at none of them fails (default: false)."
    parser.addini(STRICT, told, type="bool", default=False)


@pytest.fixture
def sent_tasks(request: pytest.FixtureRequest) -> "Iterator[SentTasks]":
    """Record every task that the test sends; nothing reaches a broker."""
    from .recorder import recording

    with recording() as sent:
        yield sent
    if request.config.getini(STRICT) and sent.unseen:
        pytest.fail(f"This test sent tasks and looked at none of them ({STRICT}).\n{sent.shown()}", pytrace=False)


@pytest.fixture
def inline_tasks() -> "Iterator[InlineTasks]":
    """Run every task where it is sent, against a Registry and a Vault in this process."""
    from .in_process import inline

    with inline() as services:
        yield services
    if services.unseen:
        failed = "\n".join(f"  {one.task} ({one.id}): {one.error!r}" for one in services.unseen)
        pytest.fail(f"Tasks failed, and the test did not look at inline_tasks.failed:\n{failed}", pytrace=False)
