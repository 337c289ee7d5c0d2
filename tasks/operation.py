"""Tasks made of functions: the parameters are the function's, checked on both sides of the broker."""

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from celery.result import AsyncResult

from ..delivery.envelope import is_name
from ..schemas.base import ValidationError
from . import connections
from .app import PREFIX, MemoryGraphTask, app
from .parameters import Parameters, as_json

P = ParamSpec("P")
C = TypeVar("C")

KEY = "idempotency_key"
SENT_AT = "sent_at"  # a header: when the message was put on its queue, in seconds since 1970
_CLIENTS: dict[str, Callable[[], Any]] = {
    "RegistryClient": connections.registry,
    "VaultClient": connections.vault,
}


class CheckedTask(MemoryGraphTask, Generic[P]):
    """A task whose call is checked before it is sent and again before it runs."""

    abstract = True
    parameters: Parameters
    keep_dead_letter = True  # not of what comes every minute anyway
    inner = False  # a step of the sweep's own, which nobody else sends

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> "AsyncResult[Any]":
        """Send the task.

        Raises: ValidationError naming each wrong field, TypeError for a misspelt or missing parameter,
        kombu.exceptions.OperationalError where the broker is away; nothing was sent then.
        """
        return self.apply_async(args, kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send the task with Celery's options (`task_id`, `countdown`, `link`, …); raises as `delay` does."""
        return self.send_checked(self.checked(args or (), kwargs or {}, options.get("task_id")), **options)

    def checked(self, args: Any, kwargs: Any, task_id: str | None = None) -> dict[str, Any]:
        """The parameters of a call as they go into its message.

        Raises: ValidationError naming each wrong field, TypeError for a misspelt or missing parameter.
        """
        if task_id is not None and not is_name(task_id):
            raise ValidationError({"task_id": ["Must be printable ASCII without spaces, at most 256 characters."]})
        return self.parameters.to_send(args, kwargs, task_id or kwargs.get(KEY))

    def send_checked(self, checked: dict[str, Any], **options: Any) -> Any:
        """Send the task with parameters as `checked` gives them; raises where the broker is away."""
        headers = {**(options.pop("headers", None) or {}), SENT_AT: round(time.time(), 3)}
        return super().apply_async((), checked, headers=headers, **options)

    def signature(self, args: Any = None, *starargs: Any, **starkwargs: Any) -> Any:
        """A signature for a chain, a group or a retry; one that has all its parameters is checked here and now.

        A retry comes with its task's id and stays word for word what was sent: another body under the same
        idempotency key would be refused.
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
        """The call's checked parameters; its key, else the task's id, settles what its sender left out."""
        return self.parameters.received(args, kwargs, seed=str(kwargs.get(KEY) or self.request.id))


def operation(method: Callable[Concatenate[C, P], Any], **options: Any) -> CheckedTask[P]:
    """Make the task of one client operation: its name, signature and docstring are the method's."""
    client_name, name = method.__qualname__.split(".")
    client = _CLIENTS[client_name]
    parameters = Parameters(method, skip=1)

    def run(self: CheckedTask[P], *args: Any, **kwargs: Any) -> Any:
        values = self.received(args, kwargs)
        if KEY in parameters.hints:
            values[KEY] = values.get(KEY) or str(self.request.id)
        return as_json(getattr(client(), name)(**values))

    service = cast(Any, inspect.getmodule(method)).__name__.rpartition(".")[2]
    return _registered(f"{PREFIX}.{service}.{name}", method, run, parameters, options)


def task(name: str, **options: Any) -> Callable[[Callable[Concatenate[Any, P], Any]], CheckedTask[P]]:
    """Make a task of a function whose first parameter is the task itself."""

    def decorate(function: Callable[Concatenate[Any, P], Any]) -> CheckedTask[P]:
        parameters = Parameters(function, skip=1)

        def run(self: CheckedTask[P], *args: Any, **kwargs: Any) -> Any:
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
    return app.register_task(type(function.__name__, (CheckedTask,), attributes)())
