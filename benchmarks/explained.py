"""What PostgreSQL touches for the very statements of a piece of code, by its own account."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

Plan = dict[str, Any]
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
_ROWS = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


@dataclass(frozen=True)
class Touched:
    """Rows that were scanned or written, and how often a page of 8 KiB was looked at.

    EXPLAIN leaves out the look-up of a row's foreign key.
    """

    rows: int
    buffers: int


def touched(session: Session, work: Callable[[Session], Any]) -> Touched:
    """Run `work`, and add up what each of its statements touched.

    Each runs twice: under EXPLAIN, where it writes, and then as `work` has it, which finds the keys known.
    """
    plans: list[Plan] = []
    connection = session.connection()

    def explain(_: Any, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        with cursor.connection.cursor() as other:
            plans.append(other.execute(_EXPLAIN + statement, values).fetchone()[0][0]["Plan"])

    event.listen(connection, "before_cursor_execute", explain)
    work(session)
    event.remove(connection, "before_cursor_execute", explain)
    return Touched(round(sum(map(_rows, plans))), sum(map(_buffers, plans)))


def _rows(plan: Plan) -> float:
    written = sum(node.get("Tuples Inserted", 0) + node.get("Conflicting Tuples", 0) for node in _nodes(plan))
    leaves = [node for node in _nodes(plan) if "Plans" not in node]
    return written + sum(sum(leaf.get(name, 0) for name in _ROWS) * leaf["Actual Loops"] for leaf in leaves)


def _buffers(plan: Plan) -> int:
    """A node's buffers include those of its inner nodes, but for a writing CTE that nothing reads: it runs last."""
    read = {f"CTE {node['CTE Name']}" for node in _nodes(plan) if "CTE Name" in node}
    last = [node for node in _nodes(plan) if node.get("Subplan Name", "") and node["Subplan Name"] not in read]
    tops = [plan, *(node for node in last if node["Node Type"] == "ModifyTable")]
    return sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in tops)


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)
