"""The TypeScript types of the Node example, out of the JSON Schemas of all tasks.

`python docs/node_types.py` writes them; `--check` only says whether the file differs.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from memory_graph_workers.cli.schema.task import answer_schema, every_task, parameters_schema

FILE = Path(__file__).parent.parent / "examples" / "node" / "memory-graph.d.mts"
HEAD = """// Generated from the tasks' JSON Schemas (docs/contract/tasks): make contract

/** An RFC 3339 timestamp with an offset; JSON.stringify writes a Date as one. */
export type SentTimestamp = string | Date;
"""
TAIL = """
/** What is used of a client of the `redis` package. */
export interface Redis {
  lPush(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
}

/** Headers of the message; `id` is the task's, and a random one if you give none. */
export interface Headers {
  id?: string;
  ignore_result?: boolean;
  expires?: SentTimestamp;
  [header: string]: unknown;
}

declare const result: unique symbol;

/** The id of a task, which remembers what its result will be. */
export type TaskId<Result> = string & { readonly [result]?: Result };

type Sent<Parameters> = {} extends Parameters
  ? [parameters?: Parameters, headers?: Headers]
  : [parameters: Parameters, headers?: Headers];

/** Send a task with its parameters by name and return its id. A task sent twice under one id counts once. */
export function send<Name extends keyof Tasks>(
  redis: Pick<Redis, "lPush">,
  task: Name,
  ...sent: Sent<Tasks[Name]["parameters"]>
): Promise<TaskId<Tasks[Name]["result"]>>;

/** Wait for a task's result; throws the task's error, or that there was no result in time. */
export function answer<Result = unknown>(
  redis: Pick<Redis, "get">,
  id: TaskId<Result>,
  timeoutMs?: number,
): Promise<Result>;
"""
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
SENT_TIMESTAMP = "SentTimestamp"


def main() -> int:
    """Write the file, or check it; 1 if it differs."""
    made = written()
    if FILE.exists() and FILE.read_text() == made:
        return 0
    if "--check" in sys.argv:
        sys.stderr.write(f"{FILE.name} differs from the code; run: make contract\n")
        return 1
    FILE.write_text(made)
    return 0


def written() -> str:
    """All types: one interface a payload and a model, and one that has every task by its name."""
    types: dict[str, str] = {}
    tasks = [task_member(name, task, types) for name, task in every_task().items() if not task.inner]
    named = "\n".join(types[name] for name in sorted(types))
    return f"{HEAD}\n{named}\n/** Every task by its name. */\nexport interface Tasks {{\n{''.join(tasks)}}}\n{TAIL}"


def task_member(name: str, task: Any, types: dict[str, str]) -> str:
    """One task's member of `Tasks`; the types that it needs are added."""
    sent, answered = parameters_schema(task), answer_schema(task)
    for schema, is_sent in ((sent, True), (answered or {}, False)):
        for title, definition in schema.get("$defs", {}).items():
            if not title.startswith("memory_graph."):  # a way to call a task, which is written where it is used
                add(types, title, interface(title, definition, is_sent))
    parameters = type_of(inlined(sent), is_sent=True, depth=2)
    result = type_of(answered, is_sent=False, depth=2) if answered else "null"
    head = comment(sent["description"], 1)
    return f'{head}  "{name}": {{\n    parameters: {parameters};\n    result: {result};\n  }};\n'


def add(types: dict[str, str], title: str, text: str) -> None:
    """Keep a type; one that is sent and returned must read the same both ways.

    Raises: ValueError if it does not.
    """
    if types.setdefault(title, text) != text:
        raise ValueError(f"{title} is sent and returned, and differs: give one of them a name of its own.")


def inlined(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a task's parameters with the ways to call it in their places."""
    if "anyOf" not in schema:
        return schema
    return {"anyOf": [schema["$defs"][way["$ref"].removeprefix("#/$defs/")] for way in schema["anyOf"]]}


def interface(title: str, schema: Mapping[str, Any], is_sent: bool) -> str:
    """A named type."""
    head = comment(schema.get("description", ""), 0)
    return f"{head}export interface {title} {type_of(schema, is_sent=is_sent, depth=0)}\n"


def type_of(schema: Mapping[str, Any], *, is_sent: bool, depth: int) -> str:
    """A schema as a type; what JSON Schema can limit and TypeScript cannot is left out."""
    match schema:
        case {"$ref": reference}:
            return reference.removeprefix("#/$defs/")
        case {"anyOf": ways}:
            return " | ".join(type_of(way, is_sent=is_sent, depth=depth) for way in ways)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"type": [*kinds]}:
            return " | ".join(type_of({**schema, "type": kind}, is_sent=is_sent, depth=depth) for kind in kinds)
        case {"type": "string", "format": "date-time"} if is_sent:
            return SENT_TIMESTAMP
        case {"type": "array", "items": items}:
            return f"Array<{type_of(items, is_sent=is_sent, depth=depth)}>"
        case {"type": "object", "properties": properties} if properties:
            return members(schema, is_sent=is_sent, depth=depth)
        case {"type": "object"}:
            return mapping(schema, is_sent, depth)
        case {"type": kind}:
            return PLAIN[kind]
        case _:
            return "unknown"


def members(schema: Mapping[str, Any], *, is_sent: bool, depth: int) -> str:
    """An object's members, each with its description."""
    return "{\n" + "".join(member_lines(schema, is_sent, depth + 1)) + "  " * depth + "}"


def member_lines(schema: Mapping[str, Any], is_sent: bool, depth: int) -> Iterator[str]:
    """One member after the other."""
    required = schema.get("required", [])
    for name, member in schema["properties"].items():
        mark = "" if name in required else "?"
        kind = type_of(member, is_sent=is_sent, depth=depth)
        yield f"{comment(member.get('description', ''), depth)}{'  ' * depth}{name}{mark}: {kind};\n"


def mapping(schema: Mapping[str, Any], is_sent: bool, depth: int) -> str:
    """An object whose names are not known; one that may have none is empty."""
    values = schema.get("additionalProperties", True)
    if values is False:
        return "Record<string, never>"
    return f"Record<string, {'unknown' if values is True else type_of(values, is_sent=is_sent, depth=depth)}>"


def comment(text: str, depth: int) -> str:
    """The first line of a description as a comment."""
    first = re.sub(r"\*/", "* /", text.partition("\n")[0])
    return f"{'  ' * depth}/** {first} */\n" if first else ""


if __name__ == "__main__":
    sys.exit(main())
