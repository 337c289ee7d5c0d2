"""What `install` refuses at once: an app, or an argument, with which messages would be lost or could not be kept.

What shows only when a worker starts, and its tasks are known, is in `startup_checks`.
"""

from collections.abc import Sequence
from typing import Any

from .base import KeptTask
from .connections.address import check_address, refuse_old_prefix, with_checked_tls, with_hash_tag
from .errors import InvalidConfig, unopened_compression
from .keys import KEY_PREFIX, KEY_PREFIX_MUST
from .messages.envelope import is_name
from .messages.message import is_opened
from .settings import Installed, installed_or_none


def refuse_app(app: Any) -> None:
    """Refuse an app that has delivery already, has made its tasks without KeptTask, or sends what no worker opens.

    Raises: InvalidConfig.
    """
    if installed_or_none(app) is not None:
        raise InvalidConfig(f"The app {app.main!r} has delivery already: call install once, in the app's own module.")
    made = "Task" in vars(app)
    if app.finalized or (made and not issubclass(app.Task, KeptTask)):
        raise InvalidConfig(
            f"The app {app.main!r} has made its tasks, or started its worker, before install was called: these tasks "
            "would not be kept. Call install right after Celery(…), before any task is used."
        )
    if not is_opened(app.conf.task_compression):
        raise InvalidConfig(unopened_compression("task_compression", app.conf.task_compression))


def refuse_needs(found: Installed) -> None:
    """Refuse needs without a breaker that says when they are not met.

    Raises: InvalidConfig.
    """
    if found.needs and found.breaker is None:
        queue, services = next(iter(found.needs.items()))
        raise InvalidConfig(
            f"The queue {queue} needs {', '.join(services)}, and nothing says when that is down: give install a "
            "breaker, a function that returns the state of a service's circuit breaker."
        )


def refuse_address(argument: str, url: str) -> None:
    """Refuse what is no address of a Redis that delivery can keep messages in.

    Raises: InvalidConfig, which names the argument.
    """
    try:
        check_address(url)
    except ValueError as error:
        raise InvalidConfig(f"{argument}: {error}") from None


def complete_address(url: str, key_prefix: str) -> str:
    """The address to connect to, with what it leaves to us: the check of certificates, a cluster's hash tag.

    Raises: InvalidConfig for a cluster and a prefix without hash tag.
    """
    try:
        return with_checked_tls(with_hash_tag(url, key_prefix))
    except ValueError as error:
        raise InvalidConfig(f"key_prefix: {error}") from None


def checked_prefix(app: Any, prefix: str | None) -> str:
    """How the app's keys begin: its prefix, else its name.

    Raises: InvalidConfig if no key can begin so.
    """
    found = prefix or app.main or ""
    if not is_name(found):
        raise InvalidConfig(
            f"{found!r} cannot begin the names of keys in Redis: give install a prefix of printable ASCII without "
            "spaces, one that no other app in this database has."
        )
    return found


def checked_key_prefix(argument: str, text: str) -> str:
    """The same text.

    Raises: InvalidConfig if it cannot stand before the name of every key; it names the argument.
    """
    if not KEY_PREFIX.match(text):
        raise InvalidConfig(f"{argument}: {KEY_PREFIX_MUST}")
    return text


def checked_old_prefix(text: str | None, key_prefix: str, urls: Sequence[str]) -> str | None:
    """The same text.

    Raises: InvalidConfig if keys of this prefix cannot be brought over, where these servers are.
    """
    if text is None:
        return None
    try:
        refuse_old_prefix(checked_key_prefix("key_prefix_old", text), key_prefix, urls)
    except ValueError as error:
        raise InvalidConfig(f"key_prefix_old: {error}") from None
    return text
