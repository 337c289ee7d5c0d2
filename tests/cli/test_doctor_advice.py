"""Whatever the doctor finds wrong, its advice names a setting to change or a command to run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.cli import doctor
from memory_graph_workers.cli.answering import FIX

SOURCES = sorted(Path(doctor.__file__).parent.glob("*.py"))
TAKES_ADVICE = {"judged": [3], "Finding": [3], "_tried": [2, 3]}  # where a call has its advice
NAMED = re.compile(
    r"[A-Z]+_[A-Z]+|_(URL|API_KEY)\b|_setting\(|worker_command|worker_soft_shutdown_timeout|docs/reference\.md|redis://|--pool"
    r"|\b(mgw|redis-cli|pip install|CONFIG SET|timedatectl|appendonly|requirepass)\b"
)


def advice(source: str) -> Iterator[str]:
    """Every advice in a module, with what its variables may be."""
    for function in [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]:
        parameters = {one.arg for one in function.args.args}
        for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
            places = TAKES_ADVICE.get(call.func.id, []) if isinstance(call.func, ast.Name) else []
            for given in [call.args[place] for place in places if place < len(call.args)]:
                for option in options(given):
                    if parameters.isdisjoint({"fix", "fix_response"} & names_in(option)):  # else its caller gives it
                        yield written(option, function)


def options(given: ast.expr) -> list[ast.expr]:
    return [*options(given.body), *options(given.orelse)] if isinstance(given, ast.IfExp) else [given]


def written(given: ast.expr, function: ast.FunctionDef, depth: int = 0) -> str:
    """The source of an advice, and of the variables in it."""
    names = names_in(given) if depth < 3 else set[str]()
    return " ".join([ast.unparse(given), *(written(one, function, depth + 1) for one in values(names, function))])


def names_in(given: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(given) if isinstance(node, ast.Name)}


def values(names: set[str], function: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign) and any(getattr(one, "id", None) in names for one in targets):
            yield node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_each_advice_names_a_setting_or_a_command(path: Path) -> None:
    found = [one.replace("FIX", FIX) for one in advice(path.read_text())]
    assert [one for one in found if not NAMED.search(one)] == []


def test_the_doctors_advice_is_found() -> None:
    assert sum(len(list(advice(path.read_text()))) for path in SOURCES) > 35


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ('"See its log."', False),
        ('"Is it up?" if found else "Set REDIS_URL."', False),
        ('f"Start one: {target.worker_command}"', True),
        ('f"Raise {bounds}."', False),
        ("fix", True),
    ],
)
def test_an_advice_that_names_nothing_would_be_seen(given: str, named: bool) -> None:
    source = f'def check(target, found):\n    fix = "Run mgw queues."\n    yield judged("a", found, "b", {given})\n'
    assert all(NAMED.search(one) for one in advice(source)) is named
