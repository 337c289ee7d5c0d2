"""What `mgw status` shows a person: the values of one look as tables without lines, readable on 80 columns."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..readings.servers import BROKER, STATE
from ..terminal.plain import plain
from ..terminal.wording import ago, counted, duration
from .snapshot import Values

_MOST_QUEUES = 12
_UNKNOWN = "?"
_MIB = 2**20


def screen(found: Values) -> Group:
    """The whole screen."""
    return Group(*_parts(found))


def _parts(found: Values) -> Iterator[Text | Table]:
    now: datetime = found["looked_at"]
    state = "everything was read" if found["ok"] else "NOT everything was read"
    yield _line(f"{now:%Y-%m-%d %H:%M:%S} UTC  {found['app']}: {state}")
    for server in found["servers"]:
        yield from map(_line, _about_server(server, now))
    old = {server["server"]: _old(server, now) for server in found["servers"]}
    yield from _titled(f"Workers{old[BROKER]}", _workers(found["workers"]))
    yield from _titled(f"Queues{old[BROKER]}", _queues(found["queues"], now))
    if found["services"]:
        yield from _titled(f"Services{old[STATE]}", _services(found["services"], now))
    yield from _titled(f"Dead letters{old[STATE]}", _letters(found["dead_letters"]))
    if found["sweeps"] is not None:
        yield from _titled(f"Sweeps{old[STATE]}", _sweeps(found["sweeps"], now))
        yield from _titled(f"Beat{old[STATE]}", _beat(found["beat"]))


def _titled(title: str, body: Text | Table) -> Iterator[Text | Table]:
    yield Text("")
    yield Text(title, "bold")
    yield body


def _old(server: Values, now: datetime) -> str:
    """What is said beside a title if what is below it was not read just now."""
    if server["is_up"]:
        return ""
    if not server["is_stale"]:
        return " (unknown)"
    return f" (STALE: of {server['read_at']:%H:%M:%S} UTC, {ago(server['read_at'], now)})"


def _about_server(server: Values, now: datetime) -> Iterator[str]:
    name = f"Redis ({server['server']})"
    if server["is_up"]:
        yield f"{name}: {server['role'] or _UNKNOWN}, {_memory(server)}"
    else:
        last = f" It answered last {ago(server['read_at'], now)}." if server["read_at"] else ""
        yield f"{name} does not answer ({server['error']}).{last} Is it up, and is its address (REDIS_URL) right?"
    if server["unreadable"]:
        parts = ", ".join(server["unreadable"])
        yield f"{name}: cannot read {parts}. A key holds data of another kind, or may not be read: see mgw doctor."


def _memory(server: Values) -> str:
    used, most = server["memory_bytes"], server["memory_max_bytes"]
    if used is None:
        return "memory unknown"
    return f"{used / _MIB:,.1f} MiB {f'of {most / _MIB:,.1f}' if most else 'used, no limit'}"


def _workers(workers: Values) -> Text:
    text = f"{_said(workers['alive'])} alive, {_said(workers['scheduled'])} scheduled"
    if workers["abandoned"]:
        text += f", {counted(workers['abandoned'], 'message')} of dead workers not yet redelivered"
    if workers["in_flight_unknown"]:
        text += f", {workers['in_flight_unknown']:,} in flight of no known queue"
    return _line(text)


def _queues(queues: list[Values], now: datetime) -> Table:
    """The queues with most to tell first; beyond a dozen the rest is counted."""
    shown = sorted(queues, key=_weight, reverse=True)[:_MOST_QUEUES] if len(queues) > _MOST_QUEUES else queues
    table = _table(["queue", "waiting", "in flight", "oldest", "held"], right=("waiting", "in flight", "oldest"))
    for one in shown:
        age = duration(one["oldest_age_secs"]) if one["oldest_age_secs"] else ""
        _add(table, one["queue"], _said(one["waiting"]), _said(one["in_flight"]), age, _held(one, now))
    if len(shown) < len(queues):
        _add(table, f"… and {len(queues) - len(shown)} more with less to do", "", "", "", "")
    return table


def _weight(queue: Values) -> tuple[bool, int]:
    return bool(queue["is_held"]), (queue["waiting"] or 0) + (queue["in_flight"] or 0)


def _held(one: Values, now: datetime) -> str:
    """Why something is held, and for how long."""
    if one["is_held"] is None:
        return _UNKNOWN
    if not one["is_held"]:
        free = one.get("by_hand")
        return f"kept free by {free['by']}: {free['reason']}" if free else ""
    held_secs = (now - one["since"]).total_seconds() if one["since"] else None
    text = ": ".join(filter(None, (one.get("held_for"), one["why"]))) or "limited"
    return text if held_secs is None else f"{text}, for {duration(held_secs)}"


def _services(services: list[Values], now: datetime) -> Table:
    table = _table(["service", "breaker", "may take", "held"])
    for one in services:
        rate = "" if one["permits_a_second"] is None else f"{one['permits_a_second']:,} a second"
        _add(table, one["service"], one["breaker"] or _UNKNOWN, rate, _held(one, now))
    return table


def _letters(pots: list[Values]) -> Table:
    table = _table(["pot", "letters", "largest groups"], right=("letters",))
    for one in pots:
        groups = [f"{group['count']:,} {_group(group)}" for group in one["groups"]]
        groups += [f"{one['dropped']:,} more were dropped at a bound"] if one["dropped"] else []
        for number, text in enumerate(groups or [""]):
            _add(table, *((one["pot"], _said(one["count"])) if number == 0 else ("", "")), text)
    return table


def _group(group: Values) -> str:
    return " ".join(filter(None, (group["task"], group["reason"]))) or "others"


def _sweeps(sweeps: Values, now: datetime) -> Text:
    if sweeps["is_paused"] is None:
        return _line(_UNKNOWN)
    paused = "Paused (mgw sweeps resume). " if sweeps["is_paused"] else ""
    newest = sweeps["newest"]
    if newest is None:
        return _line(f"{paused}None yet.")
    outcomes = ", ".join(f"{newest[name]:,} {name}" for name in ("archived", "failed", "skipped", "pending"))
    reason = f" ({newest['reason']})" if newest["reason"] else ""
    text = f"{paused}{newest['sweep_id']}: {newest['status']}{reason}, began {ago(newest['started_at'], now)}; "
    return _line(f"{text}{newest['listed']:,} listed: {outcomes}")


def _beat(beat: Values) -> Text:
    if beat["has_lock"] is None:
        return _line(_UNKNOWN)
    lock = "has its lock" if beat["has_lock"] else "NOBODY has its lock: nothing is sent on schedule"
    return _line(f"{lock}; {counted(beat['beats'], 'beat')} there")


def _said(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _line(text: str) -> Text:
    return Text(plain(text))


def _table(columns: Iterable[str], right: Iterable[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _add(table: Table, *cells: Any) -> None:
    table.add_row(*(Text(plain(str(cell))) for cell in cells))
