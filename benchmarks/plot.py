"""The pictures, drawn as SVG by hand: a bar a contender for the drain, bars of parts for the whole system."""

from collections.abc import Mapping
from html import escape

WIDTH, LABEL, ROW, GAP = 760, 240, 18, 10
COLOURS = ["#4c78a8", "#f58518"]
PART_COLOURS = ["#4c78a8", "#e45756", "#f58518", "#54a24b", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d"]
LITTLE = 0.2  # of the longest bar: whoever needs no more has a second, enlarged bar


def bars(settings: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars of reports a second; one colour a setting."""
    names = list(dict.fromkeys(name for found in settings.values() for name in found))
    most = max((rate for found in settings.values() for rate in found.values()), default=1.0)
    parts = [_opening(40 + len(names) * (len(settings) * ROW + GAP))]
    for number, (setting, colour) in enumerate(zip(settings, COLOURS, strict=False)):
        left = LABEL + number * 160
        parts.append(f'<rect x="{left}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="18">reports/s, {escape(setting)}</text>')
    for place, name in enumerate(names):
        top = 34 + place * (len(settings) * ROW + GAP)
        parts.append(f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        for number, (found, colour) in enumerate(zip(settings.values(), COLOURS, strict=False)):
            parts.append(_bar(top + number * ROW, found.get(name, 0.0), most, colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


def stacks(settings: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Horizontal bars of processor seconds a thousand, made of parts: all of them, then the short ones enlarged."""
    names = list(dict.fromkeys(part for found in settings.values() for stack in found.values() for part in stack))
    colours = dict(zip(names, PART_COLOURS, strict=False))
    drawn, top = [_legend(colours)], 34
    for setting, found in settings.items():
        short = {
            name: stack for name, stack in found.items() if _total(stack) <= LITTLE * max(map(_total, found.values()))
        }
        for title, shown in ((setting, found), (f"{setting}, the short ones enlarged", short)):
            if shown:
                drawn.append(_panel(f"CPU s a thousand, {title}", shown, colours, top))
                top += (len(shown) + 1) * ROW + GAP
    return "\n".join([_opening(top), *drawn, "</svg>"]) + "\n"


def _panel(title: str, found: Mapping[str, Mapping[str, float]], colours: Mapping[str, str], top: int) -> str:
    lines = [f'<text x="{LABEL}" y="{top + 12}" font-weight="bold">{escape(title)}</text>']
    most = max(map(_total, found.values()))
    for number, (name, stack) in enumerate(found.items(), start=1):
        left, middle = float(LABEL), top + number * ROW + 13
        lines.append(f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>')
        for part, secs in stack.items():
            wide = (WIDTH - LABEL - 70) * secs / most
            where = f'x="{left:.1f}" y="{top + number * ROW}" width="{wide:.1f}" height="{ROW - 3}"'
            lines.append(f'<rect {where} fill="{colours[part]}"/>')
            left += wide
        lines.append(f'<text x="{left + 6:.0f}" y="{middle}">{_total(stack):.3g}</text>')
    return "\n".join(lines)


def _legend(colours: Mapping[str, str]) -> str:
    lines: list[str] = []
    for number, (part, colour) in enumerate(colours.items()):
        left = 20 + number * 105
        lines.append(f'<rect x="{left}" y="8" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{left + 18}" y="18">{escape(part)}</text>')
    return "\n".join(lines)


def _total(stack: Mapping[str, float]) -> float:
    return sum(stack.values())


def _opening(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )


def _bar(top: float, rate: float, most: float, colour: str) -> str:
    wide = (WIDTH - LABEL - 70) * rate / most
    bar = f'<rect x="{LABEL}" y="{top}" width="{wide:.0f}" height="{ROW - 3}" fill="{colour}"/>'
    return f'{bar}<text x="{LABEL + wide + 6:.0f}" y="{top + 13}">{rate:,.0f}</text>'
