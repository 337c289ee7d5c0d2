"""What a test sent, and what it says of that."""

import difflib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ..tasks.app import app
from ..tasks.operation import KEY, CheckedTask
from ..tasks.parameters import PAYLOADS
from ..tasks.usage import flush_reporters
from ..tasks.usage_batch import track_usage_batch
from ..tasks.usage_counts import ONE
from .sent import Sent, call_text, plain, signatures
from .takeover import REPORTS_SECS


class NoResult(AssertionError):
    """The code under test waits for a result that the test did not set.

    Set it with `sent_tasks.returns(task, result)` before the code runs.
    """


class UnknownTask(LookupError):
    """No task has this name.

    Correct the name; docs/reference.md lists all tasks.
    """


class SentTasks:
    """The calls that were sent while a test recorded, and the results that they get.

    Reports of a `UsageReporter` are calls of `track_usage`, and are sent when you look. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Sent] = []
        self._results: dict[str, tuple[bool, Any]] = {}
        self._looked = False

    def assert_sent(self, task: Any, /, **parameters: Any) -> Sent:
        """Return the first call of a task that has these parameters, or fields of its payload; others may differ.

        Raises: AssertionError that shows what was sent; UnknownTask; TypeError for a parameter that the task lacks.
        """
        __tracebackhide__ = True
        name = name_of(task)
        found = self.calls(name, **parameters)
        if not found:
            raise AssertionError(f"Not sent: {call_text(name, parameters)}\n{self.shown()}")
        return found[0]

    def assert_not_sent(self, task: Any = None, /, **parameters: Any) -> None:
        """Make sure that no such call was sent; without a task, that nothing was.

        Raises: as `assert_sent`.
        """
        __tracebackhide__ = True
        found = self.calls(task, **parameters)
        if found:
            wanted = "Sent" if task is None else f"Sent, {len(found)} times: {call_text(name_of(task), parameters)}"
            raise AssertionError(f"{wanted}\n{self.shown()}")

    def calls(self, task: Any = None, /, **parameters: Any) -> list[Sent]:
        """Return the calls of a task that have these parameters, in their order; without a task, all calls.

        Raises: UnknownTask; TypeError for a parameter that the task lacks.
        """
        if task is None and parameters:
            raise TypeError("Name the task whose parameters these are.")
        name = None if task is None else name_of(task)
        if name is not None:
            _refuse_unknown(name, parameters)
        flush_reporters(REPORTS_SECS)
        self._looked = True
        with self._lock:
            return [one for one in self._all if name in (None, one.task) and one.matches(parameters)]

    def returns(self, task: Any, value: Any) -> None:
        """Let every call of a task return a value, those that were sent already too; a model becomes a dict.

        Raises: TypeError for a value that no task can return, or for a task that never has a result.
        """
        found, result = task_of(task), plain(value)
        if found.ignore_result and result is not None:
            raise TypeError(f"{found.name} has no result: its .get() returns None.")
        json.dumps(result)  # as a result store holds it
        self._results[found.name] = (True, result)

    def raises(self, task: Any, error: BaseException) -> None:
        """Let every call of a task fail with an error, those that were sent already too.

        Raises: TypeError for what is no error, such as a class of errors.
        """
        if not isinstance(error, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Give an error, such as NotFound('no session has this id'), not {error!r}.")
        self._results[name_of(task)] = (False, error)

    def clear(self) -> None:
        """Forget what was sent so far; results stay."""
        flush_reporters(REPORTS_SECS)
        with self._lock:
            self._all.clear()

    @property
    def unseen(self) -> bool:
        """Whether something was sent, and the test looked at nothing."""
        return bool(self._all) and not self._looked

    def shown(self) -> str:
        """Return all calls as text, one a line."""
        with self._lock:
            lines = [f"  {one}" for one in self._all]
        return "\n".join(["These tasks were sent:", *lines]) if lines else "No task was sent."

    def record(self, headers: Mapping[str, Any], body: Any, queue: str) -> None:
        """Note a message, and what is chained to it."""
        args, kwargs, embedded = body
        named = _named(headers["task"], args, kwargs)
        first = _sent(headers["task"], str(headers["id"]), named, queue=queue, options=_options(headers))
        found = [first, *_reports(first)]
        for signature in signatures(embedded):
            task_id = str(signature.get("options", {}).get("task_id") or "")
            found.append(_sent(signature["task"], task_id, signature.get("kwargs") or {}, after=first.id))
        with self._lock:
            known = {one.id for one in self._all if one.after}  # each task of a chord names what comes after all
            self._all += [one for one in found if not (one.after and one.id in known)]

    def result_of(self, task_id: str) -> tuple[bool, Any] | None:
        """Return whether a call succeeded and its result or error; None if the test set nothing."""
        task = self._task_of(task_id)
        return None if task is None else self._results.get(task)

    def no_result(self, task_id: str) -> NoResult:
        """Return the error for a call that waits for a result that never comes."""
        task = self._task_of(task_id) or "this task"
        short = task.rpartition(".")[2]
        return NoResult(f"No worker runs, so {task} has no result. Set one first: sent_tasks.returns({short}, …)")

    def _task_of(self, task_id: str) -> str | None:
        with self._lock:
            return next((one.task for one in self._all if one.id == task_id), None)


def name_of(task: Any) -> str:
    """Return the name of a task of ours; raises as `task_of` does."""
    return str(task_of(task).name)


def task_of(task: Any) -> "CheckedTask[Any]":
    """Return a task of ours, given the task or its name.

    Raises: UnknownTask, which names those that are spelt alike.
    """
    name = task if isinstance(task, str) else getattr(task, "name", None)
    found = app.tasks.get(name) if isinstance(name, str) else None
    if isinstance(found, CheckedTask):
        return found
    known = [one for one in app.tasks if not one.startswith("celery.")]
    close = difflib.get_close_matches(str(name), known, 3)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Its module must be imported before it is sent."
    raise UnknownTask(f"{task!r} is not a task of memory-graph-workers. {hint}")


def _named(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a message by their names: whoever sends by a task's name may give them by position."""
    return {**dict(zip(task_of(name).parameters.signature.parameters, args, strict=False)), **kwargs}


def _sent(name: str, task_id: str, kwargs: Mapping[str, Any], **facts: Any) -> Sent:
    payload = task_of(name).parameters.payload
    fields = dict(kwargs)
    if payload and isinstance(inner := fields.pop(payload, None), Mapping):
        fields = {**inner, **fields}
    return Sent(name, task_id, dict(kwargs), fields, **facts)


def _reports(batch: Sent) -> list[Sent]:
    """Return the reports of a batch, each as the call of `track_usage` that it stands for."""
    if batch.task != track_usage_batch.name:
        return []
    found: list[Sent] = []
    for keyed in batch.parameters.get("reports", ()):
        report = {name: value for name, value in keyed.items() if name != KEY}
        key = str(keyed.get(KEY) or "")
        found.append(_sent(ONE, key, {"report": report, KEY: key}, queue=batch.queue))
    return found


def _options(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: headers[name] for name in ("eta", "expires") if headers.get(name)}


def _refuse_unknown(name: str, wanted: Mapping[str, Any]) -> None:
    """Refuse a name that no call of this task has: an assertion with it would say nothing."""
    parameters = task_of(name).parameters
    known = set(parameters.hints)
    if parameters.payload:
        known |= PAYLOADS[parameters.hints[parameters.payload]].fields.keys()
    wrong = sorted(set(wanted) - known)
    if wrong:
        raise TypeError(f"{name} has no parameter {', '.join(wrong)}: it takes {', '.join(sorted(known))}.")
