"""Flower as we run it: nothing without a password, no arguments or results, and a log like a worker's."""

import hmac
import logging
import signal
from base64 import b64encode
from typing import Any, cast

import flower.events  # pyright: ignore[reportMissingTypeStubs]
from celery.events import EventReceiver
from flower.app import Flower  # pyright: ignore[reportMissingTypeStubs]
from flower.events import Events  # pyright: ignore[reportMissingTypeStubs]
from flower.options import options  # pyright: ignore[reportMissingTypeStubs]
from flower.urls import settings  # pyright: ignore[reportMissingTypeStubs]
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from ...delivery.redaction import HIDDEN, SIZE
from ...tasks.logs import set_up
from ..target import Target
from .config import FlowerConfig
from .console.console import Console
from .console.metrics import Uncounted
from .console.routes import routes
from .console.templates import Templates
from .queues import count_for_flower

_OPEN = "/healthcheck"  # it says OK and nothing else
_COLUMNS = "name,uuid,state,args,runtime,received,worker"
_NUMBERS = ("timestamp", "local_received", "utcoffset", "clock", "pid", "freq", "active", "processed")
_NAMES = ("sw_ident", "sw_ver", "sw_sys")
_TASK_NUMBERS = ("timestamp", "local_received", "utcoffset", "clock", "pid", "retries", "runtime")
_TASK_TEXTS = (
    *("name", "root_id", "parent_id", "eta", "expires", "exception", "traceback"),
    *("queue", "exchange", "routing_key"),
)
_LEAST, _MOST = -1e9, 1e11  # of a number: as a time, it has a date
_TOLD = ("args", "kwargs", "result")  # the parts of an event that may hold content

logger = logging.getLogger(__name__)


class Denied(RequestHandler):
    """Refuses every request with 401 and asks for a login."""

    def check_xsrf_cookie(self) -> None:
        """Skip the check: without a login there is nothing to protect."""

    def prepare(self) -> None:
        """Respond with 401; log a login that is wrong rather than missing."""
        if "Authorization" in self.request.headers:
            logger.warning("Wrong login from %s", self.request.remote_ip)
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.finish("Access denied")


class DiscreetEvents(Events):
    """The events of workers and producers, stripped of content that a foreign producer may have added."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(Any, self.state).metrics = Uncounted()

    def on_event(self, event: dict[str, Any]) -> None:
        """Pass an event to the loop's thread, keeping only the sizes of arguments and results.

        An event with fields of a wrong kind is dropped: Flower would keep it, and its pages would fail.
        """
        if not _is_well_formed(event):
            logger.warning("An event was dropped: its fields are not as workers and producers send them")
            return
        known = event | {name: _size_alone(event[name]) for name in _TOLD if name in event}
        if _is_of_task(event):  # Flower would make an attribute of the task of any other field
            known = {name: known[name] for name in _TASK_FIELDS if name in known}
        # Not super(): Flower would hand the event itself to the loop, which logs all of it if it is malformed.
        self.io_loop.add_callback(lambda: self._take(known))

    def _take(self, event: dict[str, Any]) -> None:
        """Keep an event, and no counts of workers that Flower has forgotten: anybody can invent names of workers."""
        state = cast(Any, self.state)
        state.event(event)
        if len(state.counter) > 2 * state.max_workers_in_memory:
            for name in state.counter.keys() - set(state.workers):
                del state.counter[name]


class Receiver(EventReceiver):
    """Hears events, and goes on behind what is none: Flower's would end, and connect again."""

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803  the library's name
        """Consume as ever, with our `receive`."""
        queues, accept = [cast(Any, self).queue], cast(Any, self).accept
        return [Consumer(queues=queues, callbacks=[self.receive], no_ack=True, accept=accept)]

    def receive(self, body: Any, message: Any) -> None:
        """Handle an event, or a list of them."""
        for event in cast("list[Any]", body) if isinstance(body, list) else [body]:
            try:
                self.process(*cast(Any, self).event_from_message(event))
            except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
                logger.warning("What somebody published is no event, and was dropped")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Say that a message was dropped, and not what it held."""
        logger.warning("Events could not be read, and were dropped")
        message.ack()


class Monitor(Flower):
    """Flower and the console, which show nothing without a login except that they are alive."""

    def __init__(self, target: Target, config: FlowerConfig) -> None:
        loop = IOLoop.current()
        events = DiscreetEvents(
            target.app,
            loop,
            max_tasks_in_memory=config.max_tasks,
            max_workers_in_memory=options.max_workers,
        )
        # Flower's scripts read the cookie; no other site may have it sent.
        ours = {"template_loader": Templates(), "xsrf_cookie_kwargs": {"samesite": "Strict"}}
        super().__init__(options, target.app, events, loop, **settings, **ours)
        self._console = Console(target, config)
        self.add_handlers(".*", routes(self._console))
        self._logins = [b64encode(login.encode()) for login in config.logins]

    def start(self) -> None:
        """Hear events, and serve until `stop`."""
        self._console.scrape.hear()
        super().start()

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Pass a request to Flower, which checks the login again, or deny it."""
        if request.path == _OPEN or self._knows(request.headers.get("Authorization", "")):
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, Denied)

    def _knows(self, authorization: str) -> bool:
        scheme, _, told = authorization.partition(" ")
        return scheme == "Basic" and any(hmac.compare_digest(told.encode(), login) for login in self._logins)


def run(target: Target, config: FlowerConfig, address: str, port: int) -> None:
    """Serve until TERM or Ctrl-C.

    Raises: OSError if it cannot listen.
    """
    _configure(config, address, port)
    count_for_flower()
    cast(Any, flower.events).EventReceiver = Receiver
    monitor = Monitor(target, config)
    monitor.start_http_server()
    cast(Any, monitor.io_loop).asyncio_loop.add_signal_handler(signal.SIGTERM, monitor.stop)
    _tell(config, address, port)
    try:
        monitor.start()
    finally:
        monitor.stop()


def _configure(config: FlowerConfig, address: str, port: int) -> None:
    """Set the options that Flower reads, and log as a worker does."""
    options.basic_auth = list(config.logins)
    options.address, options.port = address, port
    options.read_only, options.max_tasks = config.read_only, config.max_tasks
    options.tasks_columns = _COLUMNS
    set_up()
    logging.getLogger("tornado.access").setLevel(logging.ERROR)


def _tell(config: FlowerConfig, address: str, port: int) -> None:
    acts = "run any task, revoke any task, stop any worker, hold queues, and replay or delete dead letters"
    may = "watch" if config.read_only else f"watch, {acts}"
    logger.info("Listening on http://%s:%d", f"[{address}]" if ":" in address else address, port)
    logger.info("Anyone who has the password may %s", may)
    if config.show_payloads and not config.read_only:
        logger.warning(
            "They may also see payloads of dead letters, which may be conversations: FLOWER_SHOW_PAYLOADS=true"
        )


_TASK_FIELDS = ("type", "hostname", "uuid", *_TASK_NUMBERS, *_TASK_TEXTS, *_TOLD)


_TASK_TYPES = {
    f"task-{state}"
    for state in ("sent", "received", "started", "succeeded", "failed", "rejected", "revoked", "retried")
}
_WORKER_TYPES = {"worker-online", "worker-heartbeat", "worker-offline"}


def _is_of_task(event: dict[str, Any]) -> bool:
    return event.get("type") in _TASK_TYPES


def _is_well_formed(event: dict[str, Any]) -> bool:
    """Whether the fields that Flower shows of a worker or a task are of the kind that workers and producers send."""
    if not isinstance(event.get("type"), str) or not isinstance(event.get("hostname"), str):
        return False
    if _is_of_task(event):
        return (
            isinstance(event.get("uuid"), str)
            and all(_is_number(event[name]) for name in _TASK_NUMBERS if name in event)
            and all(isinstance(event.get(name), str | None) for name in _TASK_TEXTS)
        )
    load = event.get("loadavg", ())
    return (
        event["type"] in _WORKER_TYPES
        and all(_is_number(event[name]) for name in _NUMBERS if name in event)
        and all(isinstance(event[name], str) for name in _NAMES if name in event)
        and isinstance(load, list | tuple)
        and all(map(_is_number, cast("list[Any]", load)))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _LEAST < value < _MOST


def _size_alone(value: Any) -> str:
    return value if isinstance(value, str) and SIZE.fullmatch(value) else HIDDEN
