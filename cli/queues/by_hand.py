"""`mgw queues hold`, `release` and `auto`: what a person decides about a queue counts until a person says otherwise."""

import getpass
import logging
import os
from collections.abc import Callable
from shlex import quote

import click

from ..answering import answering_target
from ..target import Target
from ..terminal.output import show_json
from ..terminal.plain import plain
from .rows import row_of

_argument = click.argument("queue")
_by = click.option("--by", metavar="NAME", help="Who says so; your user name on this host if you leave it out.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

logger = logging.getLogger(__name__)


@click.command()
@_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why, in up to 200 characters; everybody sees it.")
@_by
@_as_json
@click.pass_obj
def hold(app_name: str | None, queue: str, reason: str, by: str | None, as_json: bool) -> None:
    """Hold a queue until somebody releases it: no worker takes from it, whatever state its services are in.

    It counts at once, and outlives restarts and deployments. Tasks that run go on to their end. Those that wait stay in
    Redis and spend no attempt; one whose countdown ends goes back on its queue.

    \b
    Example:
      mgw queues hold memory_graph.vault --reason 'the vault moves until 14:00'
      mgw queues --app shop:app hold payments --reason 'the bank asked us to' --by alice
    """
    target, who = _checked(app_name, queue), by or _user()
    _decide(lambda: target.delivery.holds.hold_by_hand(queue, who, reason))
    _log(queue, "is held", who, reason)
    _tell(target, queue, f"{queue} is held until somebody says: {_then(target, 'release', queue)}", as_json)


@click.command()
@_argument
@click.option(
    "--even-if-down", is_flag=True, help="Keep it free whatever its services do, until `auto` is said. Needs --reason."
)
@click.option("--reason", metavar="TEXT", help="Why, in up to 200 characters.")
@_by
@_as_json
@click.pass_obj
def release(
    app_name: str | None, queue: str, even_if_down: bool, reason: str | None, by: str | None, as_json: bool
) -> None:
    """Release a queue that a person holds. Its services then decide: it stays held while one of them is down.

    With --even-if-down the queue is free from then on, also while a service is down, has asked for a wait, or dead
    letters fill up. That is for a breaker that is wrong: what protects the service is off. A task that meets an open
    breaker tries again every two seconds and spends no attempt, but a call that gets through and fails spends one, and
    a service that asked for a wait gets none. To end that: mgw queues auto QUEUE

    \b
    Example:
      mgw queues release memory_graph.vault
      mgw queues release memory_graph.vault --even-if-down --reason 'its health check is wrong'
    """
    if even_if_down and reason is None:
        raise click.UsageError("With --even-if-down, say why: --reason TEXT")
    target, who = _checked(app_name, queue, known_by_hand=True), by or _user()
    decided = target.delivery.holds.by_hand().get(queue)
    if even_if_down:
        _keep_free(target, queue, who, reason or "", as_json)
    elif decided is not None and decided.is_held:
        _leave(target, queue, who, reason, as_json)
    else:
        _tell(target, queue, _not_held(target, queue), as_json, changed=False)


@click.command()
@_argument
@_by
@_as_json
@click.pass_obj
def auto(app_name: str | None, queue: str, by: str | None, as_json: bool) -> None:
    """Leave a queue to its services again: forget what a person decided about it, a hold or a release.

    \b
    Example:
      mgw queues auto memory_graph.vault
    """
    _leave(_checked(app_name, queue, known_by_hand=True), queue, by or _user(), None, as_json)


def _checked(app_name: str | None, queue: str, *, known_by_hand: bool = False) -> Target:
    """The app, if it has this queue; with `known_by_hand`, also if somebody decided about a queue that it had once."""
    target = answering_target(app_name)
    if queue in target.queues or (known_by_hand and queue in target.delivery.holds.by_hand()):
        return target
    raise click.UsageError(f"There is no queue {plain(queue)}. Queues: {', '.join(map(plain, target.queues))}.")


def _decide(decide: Callable[[], None]) -> None:
    try:
        decide()
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None


def _keep_free(target: Target, queue: str, who: str, reason: str, as_json: bool) -> None:
    _decide(lambda: target.delivery.holds.release_by_hand(queue, who, reason))
    _log(queue, "is kept free, whatever holds it by itself,", who, reason)
    command = _then(target, "auto", queue)
    _tell(target, queue, f"{queue} is free, whatever its services do, until somebody says: {command}", as_json)


def _leave(target: Target, queue: str, who: str, reason: str | None, as_json: bool) -> None:
    changed = target.delivery.holds.leave_to_workers(queue)
    if changed:
        _log(queue, "is left to its services", who, reason)
        hold = target.hold(queue)
        now = f"still held for {hold.service} ({hold.why})" if hold else "free"
        _tell(target, queue, f"Nobody decides about {queue} by hand any more: it is {now}.", as_json)
    else:
        _tell(target, queue, f"Nobody has decided about {queue} by hand.", as_json, changed=False)


def _not_held(target: Target, queue: str) -> str:
    """Why there is nothing to release, and what to do about what else there is."""
    holds = target.delivery.holds
    if queue in holds.by_hand():
        return f"{queue} is kept free already. To leave it to its services: {_then(target, 'auto', queue)}"
    hold = holds.by_itself(queue)
    if hold is None:
        return f"{queue} is not held."
    command = f"{_then(target, 'release', queue)} --even-if-down --reason TEXT"
    return f"No person holds {queue}; it is held for {hold.service} ({hold.why}). To free it all the same: {command}"


def _then(target: Target, command: str, queue: str) -> str:
    """A command line about this queue, to show to the user."""
    return target.mgw(f"queues {command} {quote(queue)}")


def _tell(target: Target, queue: str, text: str, as_json: bool, *, changed: bool = True) -> None:
    if not as_json:
        click.echo(plain(text))
        return
    with target.broker() as broker:
        show_json({"changed": changed, **row_of(target, broker, queue)})


def _log(queue: str, done: str, who: str, reason: str | None) -> None:
    """One structured line on standard error that names the user."""
    from ...tasks.logs import set_up

    set_up()
    facts = {"queue": queue, "user": plain(who), "reason": reason and plain(reason)}
    logger.info("Queue %s %s by %s", queue, done, plain(who), extra=facts)


def _user() -> str:
    """Who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
