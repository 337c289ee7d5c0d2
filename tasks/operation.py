"""Makes tasks of functions: a task's parameters are the function's, and are checked on both sides of the broker."""

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from celery.canvas import Signature
from celery.result import AsyncResult

from ..clients.errors import NotFound, TransientError
from ..delivery.messages.envelope import is_name
from ..schemas.base import ValidationError
from ..schemas.ids import time_ordered_id
from ..tracing.spans import sending
from . import awaiting, connections
from .app import PREFIX, MemoryGraphTask, app
from .parameters import Parameters, as_json
from .repeats import Repeats

P = ParamSpec("P")  # the parameters of a task
F = ParamSpec("F")  # the fields of its payload, as keywords
D = TypeVar("D")  # the same fields, as a dict
R = TypeVar("R")  # what `.get()` returns
C = TypeVar("C")

KEY = "idempotency_key"
SENT_AT = "sent_at"  # a header: when the message was put on its queue, in seconds since 1970
_CLIENTS: dict[str, Callable[[], Any]] = {
    "RegistryClient": connections.registry,
    "VaultClient": connections.vault,
}


class CheckedTask(MemoryGraphTask, Generic[R]):
    """A task whose call is checked before it is sent and again before it runs."""

    abstract = True
    parameters: Parameters
    fields: Any = None  # what tells a type checker the fields of its payload
    returns: Any = None  # the TypedDict of its result, where that is a model
    keep_dead_letter = True  # False for a task that beat sends again in a minute
    if_not_found: Any = None  # what to do, given the error, where a 404 may mean "not yet"
    inner = False  # True for a step of the sweep, which only workers send

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> "AsyncResult[R]":
        """Send the task with Celery's options (`task_id`, `countdown`, `link`, …); raises as `delay` does."""
        return self.send_checked(self.checked(args or (), kwargs or {}, options.get("task_id")), **options)

    def checked(self, args: Any, kwargs: Any, task_id: str | None = None) -> dict[str, Any]:
        """Return the parameters of a call as its message carries them.

        Raises: ValidationError naming each wrong field, TypeError for a misspelt or missing parameter.
        """
        if task_id is not None and not is_name(task_id):
            raise ValidationError({"task_id": ["Must be printable ASCII without spaces, at most 256 characters."]})
        return self.parameters.to_send(args, kwargs, task_id or kwargs.get(KEY))

    def send_checked(self, checked: dict[str, Any], **options: Any) -> Any:
        """Send the task with parameters that `checked` returned; raises if the broker is away."""
        headers = {**(options.pop("headers", None) or {}), SENT_AT: round(time.time(), 3)}
        # The id is a request's idempotency key, and services keep those under an index.
        task_id = options.pop("task_id", None) or time_ordered_id()
        # A sweep has as many steps as there are sessions: one trace of all of them could not be shown.
        with sending(self.name, headers, begins_trace=self.inner):
            return super().apply_async((), checked, task_id=task_id, headers=headers, **options)

    def signature(self, args: Any = None, *starargs: Any, **starkwargs: Any) -> Any:
        """Return a signature for a chain, a group or a retry; it is checked now if it has all its parameters.

        A retry comes with its task's id and stays exactly what was sent: a service refuses another body under the same
        idempotency key.
        """
        kwargs = starkwargs.pop("kwargs", None) or {}
        if starargs:
            kwargs, starargs = {**starargs[0], **kwargs}, starargs[1:]
        options = {**(starargs[0] if starargs else {}), **starkwargs}
        seed = kwargs.get(KEY) or options.get("task_id")
        with suppress(TypeError):  # partial: the rest comes from the task before it
            args, kwargs = (), self.parameters.to_send(args or (), kwargs, seed)
        return super().signature(args, kwargs, *starargs, **starkwargs)

    def received(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return the call's checked parameters; what its sender left out derives from its key or the task's id."""
        return self.received_as(args, kwargs, self.request.id)

    def received_as(self, args: Any, kwargs: Any, task_id: Any) -> dict[str, Any]:
        """Return the checked parameters of the call that has this id."""
        return self.parameters.received(args, kwargs, seed=str(kwargs.get(KEY) or task_id))


class PlainTask(CheckedTask[R], Generic[P, R]):
    """A task as a type checker knows it: its parameters, and what `.get()` returns."""

    abstract = True

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> "AsyncResult[R]":
        """Send the task.

        Raises: ValidationError naming each wrong field, TypeError for a misspelt or missing parameter,
        kombu.exceptions.OperationalError if the broker is away. Nothing was sent then.
        """
        return self.apply_async(args, kwargs)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> "awaiting.AwaitableResult[R]":
        """Send the task from a coroutine without blocking its loop, and return what awaits its result (`aget`).

        Raises: as `delay` does. A coroutine that is cancelled meanwhile may have sent it.
        """
        return await awaiting.send(self, args, kwargs)

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> "Signature[R]": ...
    @overload
    def s(self) -> "Signature[R]": ...
    def s(self, *args: Any, **kwargs: Any) -> Any:
        """Return a signature for a chain; without parameters, the task before it provides them."""
        return super().s(*args, **kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> "Signature[R]":
        """Return a signature for a chain that ignores what the task before it returns; raises as `delay` does."""
        return super().si(*args, **kwargs)


class PayloadTask(CheckedTask[R], Generic[P, F, R, D]):
    """A task of one payload as a type checker knows it: it takes the payload, or the payload's fields as keywords."""

    abstract = True

    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> "AsyncResult[R]": ...
    @overload
    def delay(self, *args: F.args, **kwargs: F.kwargs) -> "AsyncResult[R]": ...
    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send the task, given a model or the model's fields as keywords.

        Raises: ValidationError naming each wrong field, TypeError for a misspelt or missing parameter,
        kombu.exceptions.OperationalError if the broker is away. Nothing was sent then.
        """
        return self.apply_async(args, kwargs)

    @overload
    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> "awaiting.AwaitableResult[R]": ...
    @overload
    async def asend(self, *args: F.args, **kwargs: F.kwargs) -> "awaiting.AwaitableResult[R]": ...
    async def asend(self, *args: Any, **kwargs: Any) -> Any:
        """Send the task from a coroutine without blocking its loop, and return what awaits its result (`aget`).

        Raises: as `delay` does. A coroutine that is cancelled meanwhile may have sent it.
        """
        return await awaiting.send(self, args, kwargs)

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> "Signature[R]": ...
    @overload
    def s(self, *args: F.args, **kwargs: F.kwargs) -> "Signature[R]": ...
    @overload
    def s(self) -> "Signature[R]": ...
    def s(self, *args: Any, **kwargs: Any) -> Any:
        """Return a signature for a chain; without parameters, the task before it provides them."""
        return super().s(*args, **kwargs)

    @overload
    def si(self, *args: P.args, **kwargs: P.kwargs) -> "Signature[R]": ...
    @overload
    def si(self, *args: F.args, **kwargs: F.kwargs) -> "Signature[R]": ...
    def si(self, *args: Any, **kwargs: Any) -> Any:
        """Return a signature for a chain that ignores what the task before it returns; raises as `delay` does."""
        return super().si(*args, **kwargs)


@overload
def operation(
    method: Callable[Concatenate[C, P], Any], *, fields: Callable[F, D], returns: type[R]
) -> PayloadTask[P, F, R, D]: ...
@overload
def operation(
    method: Callable[Concatenate[C, P], R],
    *,
    fields: Callable[F, D],
    if_not_found: Callable[[Any, NotFound], None] | None = None,
) -> PayloadTask[P, F, R, D]: ...
@overload
def operation(
    method: Callable[Concatenate[C, P], Any],
    *,
    returns: type[R],
    if_not_found: Callable[[Any, NotFound], None] | None = None,
) -> PlainTask[P, R]: ...
@overload
def operation(
    method: Callable[Concatenate[C, P], R],
    *,
    expires: float | None = None,
    max_retries: int = ...,
    keep_dead_letter: bool = True,
) -> PlainTask[P, R]: ...
def operation(method: Callable[..., Any], **options: Any) -> Any:
    """Make the task of one client operation: its name, signature and docstring are the method's.

    `if_not_found` is called with the task and the error if the service itself responds with a 404.
    `fields` names the fields of its payload and `returns` the TypedDict of its result, both for type checkers.
    """
    client_name, name = method.__qualname__.split(".")
    client = _CLIENTS[client_name]
    parameters = Parameters(method, skip=1)

    def run(self: CheckedTask[Any], *args: Any, **kwargs: Any) -> Any:
        values = self.received(args, kwargs)
        if KEY in parameters.hints:
            values[KEY] = values.get(KEY) or str(self.request.id)
        key, repeats = str(values.get(KEY) or ""), Repeats(self)
        try:
            with repeats.calls([key]):
                return as_json(getattr(client(), name)(**values))
        except TransientError:
            repeats.keep(self, [key])
            raise
        except NotFound as error:
            if self.if_not_found is not None:
                self.if_not_found(error)
            raise

    service = cast(Any, inspect.getmodule(method)).__name__.rpartition(".")[2]
    return _registered(f"{PREFIX}.{service}.{name}", method, run, parameters, options)


def task(name: str, **options: Any) -> Callable[[Callable[Concatenate[Any, P], R]], PlainTask[P, R]]:
    """Return a decorator that makes a task of a function whose first parameter is the task itself."""

    def decorate(function: Callable[Concatenate[Any, P], R]) -> PlainTask[P, R]:
        parameters = Parameters(function, skip=1)

        def run(self: CheckedTask[Any], *args: Any, **kwargs: Any) -> Any:
            return as_json(cast(Any, function)(self, **self.received(args, kwargs)))

        return _registered(f"{PREFIX}.{name}", function, run, parameters, options)

    return decorate


def _registered(
    name: str, function: Callable[..., Any], run: Callable[..., Any], parameters: Parameters, options: dict[str, Any]
) -> Any:
    attributes = {
        "name": name,
        "run": run,
        "parameters": parameters,
        "ignore_result": not parameters.answers,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        **options,
    }
    base: Any = PayloadTask if "fields" in options else PlainTask
    return app.register_task(type(function.__name__, (base,), attributes)())
