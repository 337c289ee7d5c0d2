"""The documents' tables: tasks, payloads, settings, errors, commands and exit codes out of the code, capacities out of
what was measured.

It also writes the words that shells complete, which are those of the commands.

`python docs/tables.py` writes them into their files; `--check` only names the files that differ.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import capacity
import interface
from marshmallow import fields
from memory_graph_workers.cli.completion.words import FILE, words_of, written
from memory_graph_workers.cli.doctor import config as doctor_config
from memory_graph_workers.cli.exit_codes import CODES, FAILS_IF
from memory_graph_workers.cli.flower import config as flower_config
from memory_graph_workers.cli.main import mgw
from memory_graph_workers.cli.metrics.families import COUNTERS, GAUGES, HEARD, PREFIX
from memory_graph_workers.clients import config as clients_config
from memory_graph_workers.outbox import config as outbox_config
from memory_graph_workers.outbox.metrics import MEANINGS
from memory_graph_workers.schemas.registry import SessionRegistrationSchema, UsageReportSchema
from memory_graph_workers.schemas.settings import Setting, Settings
from memory_graph_workers.schemas.vault import ArchiveEntrySchema, RetentionPolicySchema
from memory_graph_workers.services.database import config as database_config
from memory_graph_workers.services.memory_graph import config as memory_graph_config
from memory_graph_workers.services.registry import config as registry_config
from memory_graph_workers.services.vault import config as vault_config
from memory_graph_workers.services.web import config as web_config
from memory_graph_workers.tasks import config as tasks_config
from memory_graph_workers.tasks import registry, vault
from memory_graph_workers.tasks.app import app
from memory_graph_workers.tasks.archival import tasks as archival
from memory_graph_workers.tracing import config as tracing_config

ROOT = Path(__file__).parent.parent
FILES = {
    "docs/reference.md": ("operations", "settings", "service-settings", "exit-codes", "failures", "errors"),
    "docs/commands.md": ("commands",),
    "docs/producers.md": ("payloads",),
    "docs/scaling.md": ("capacities",),
    "docs/operations.md": ("metrics",),
    "docs/outbox.md": ("outbox-metrics",),
}
WORDS = f"cli/completion/{FILE}"
UNITS = {"_SECS": "seconds", "_HOURS": "hours", "_DAYS": "days", "_BYTES": "bytes"}
TASKS = (registry, vault, archival)
OUR_SETTINGS = (tasks_config, clients_config, tracing_config, outbox_config, flower_config, doctor_config)
SERVICE_SETTINGS = (web_config, database_config, registry_config, vault_config, memory_graph_config, tracing_config)
PAYLOADS = (
    SessionRegistrationSchema(),
    UsageReportSchema(),
    ArchiveEntrySchema(),
    RetentionPolicySchema(),
)
# The readers' names of the fields of schemas/fields.py; any other field keeps the name that marshmallow gives it.
KINDS = {"Id": "id", "IdOrEmpty": "id", "Text": "string", "Count": "number", "Days": "days", "Json": "any JSON"}
KINDS |= {"Timestamp": "timestamp", "SentTimestamp": "timestamp", "JsonObject": "object", "Tags": "list of strings"}
KINDS |= {"Switch": "true or false", "Enum": "one of"}


def main() -> int:
    """Write the tables, or check them; 1 if a file differs."""
    made = {name: filled(name) for name in FILES} | {WORDS: written(words_of(mgw))}
    differing = [name for name, text in made.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    if "--check" in sys.argv:
        sys.stderr.writelines(f"{name} is out of date; run: python docs/tables.py\n" for name in differing)
        return int(bool(differing))
    for name in differing:
        (ROOT / name).write_text(made[name])
    return 0


def filled(name: str) -> str:
    """The text of a file, with every table between its two marks generated again."""
    text = (ROOT / name).read_text()
    for wanted in FILES[name]:
        marks = re.compile(f"(<!-- {wanted} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marks.search(text):
            raise LookupError(f"{name} has no <!-- {wanted} -->: put it back, with <!-- end --> behind it")
        made = tables()[wanted]
        text = marks.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text)
    return text


def tables() -> dict[str, str]:
    """Every table by its name."""
    settings = ["variable", "unit", "default", "meaning"]
    return {
        "operations": table(["task", "parameters", "queue", "result"], operations()),
        "metrics": table(["metric", "labels", "meaning"], metrics()),
        "outbox-metrics": table(["metric", "meaning"], ([f"`{name}`", said] for name, said in MEANINGS.items())),
        "payloads": table(["payload", "field", "type", "required"], payloads()),
        "settings": table(settings, rows(*OUR_SETTINGS)),
        "service-settings": table(settings, rows(*SERVICE_SETTINGS)),
        "exit-codes": table(["code", "meaning"], map(list, CODES.items())),
        "failures": table(["command", "ends with 1 if"], failures()),
        "errors": table(["error", "of", "meaning", "what to do"], interface.errors()),
        "commands": interface.commands(),
        "capacities": table([*capacity.COLUMNS], capacity.capacities()),
    }


def table(columns: list[str], lines: Iterable[list[str]]) -> str:
    """A table in Markdown."""
    cells = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def failures() -> Iterator[list[str]]:
    """When each command fails, beyond what all have in common."""
    for name, when in FAILS_IF.items():
        yield [f"`mgw {name}`", when or "nothing else"]


def metrics() -> Iterator[list[str]]:
    """Every metric of `mgw metrics`."""
    for name, (labels, meaning) in {**GAUGES, **COUNTERS, **HEARD}.items():
        is_counter = name in COUNTERS or name in ("task_runs", "task_starts")
        yield [f"`{PREFIX}{name}{'_total' if is_counter else ''}`", ", ".join(labels), meaning]


def payloads() -> Iterator[list[str]]:
    """Every field of the payloads that tasks take."""
    for schema in PAYLOADS:
        for name, field in schema.fields.items():
            yield [schema.model.__name__, f"`{name}`", field_kind(field), "yes" if field.required else ""]


def field_kind(field: fields.Field[Any]) -> str:
    """The type of a field's values."""
    kind = KINDS.get(type(field).__name__, type(field).__name__)
    if isinstance(field, fields.Enum):
        return f"{kind} {', '.join(str(member.value) for member in field.enum)}"
    return f"{kind} or null" if field.allow_none and kind != "any JSON" else kind


def operations() -> Iterator[list[str]]:
    """Every task that a producer may send, in the order of the code."""
    for module in TASKS:
        for task in vars(module).values():
            if getattr(task, "name", "").startswith("memory_graph.") and not task.inner:
                yield [f"`{task.name}`", parameters(task), queue_of(task), "no" if task.ignore_result else "yes"]


def parameters(task: Any) -> str:
    """A task's parameters as `name: type`; optional ones have a question mark."""
    found = task.parameters.signature.parameters.values()
    return ", ".join(f"`{one.name}{'' if one.default is one.empty else '?'}`: {kind(one)}" for one in found) or "none"


def kind(parameter: Any) -> str:
    """A parameter's type in a reader's words."""
    hint = parameter.annotation
    if get_origin(hint) is Annotated:  # with the field that checks it
        hint = get_args(hint)[0]
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return re.sub(r"[\w.]+\.(\w+)", r"\1", text).replace(" | None", "").replace("Sequence[", "list[")


def queue_of(task: Any) -> str:
    """The queue that a task goes to, without the prefix."""
    return app.amqp.router.route({}, task.name)["queue"].name.rpartition(".")[2]


def rows(*modules: Any) -> Iterator[list[str]]:
    """Every setting of the modules' groups, once."""
    seen: set[str] = set()
    for group in groups(*modules):
        for _, setting, default in group.table():
            if setting.name not in seen:
                seen.add(setting.name)
                yield [f"`{setting.name}`", unit(setting), shown(default, setting), setting.meaning]


def groups(*modules: Any) -> Iterator[type[Settings]]:
    """The groups of settings that are declared in the modules, in the order of the code."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module.__name__:
                yield value


def unit(setting: Setting) -> str:
    """The unit of a setting's value."""
    by_name = next((unit for suffix, unit in UNITS.items() if setting.name.endswith(suffix)), None)
    if by_name:
        return by_name
    if isinstance(setting.field, clients_config.AutoSwitch):
        return "auto, true or false"
    if isinstance(setting.field, fields.Boolean):
        return "true or false"
    return "number" if isinstance(setting.field, fields.Integer) else "text"


def shown(default: Any, setting: Setting) -> str:
    """A default, written as in the environment."""
    if default is None or default == "":
        return "required" if setting.meaning.endswith("required.") else "none"
    return f"`{str(default).lower() if isinstance(default, bool) else format_number(default)}`"


def format_number(value: Any) -> str:
    """A number, without `.0` if it is whole."""
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
