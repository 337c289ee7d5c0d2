"""The picture of the drain: a bar a contender, drawn as SVG by hand."""

from collections.abc import Mapping
from html import escape

WIDTH, LABEL, ROW, GAP = 760, 240, 18, 10
COLOURS = ["#4c78a8", "#f58518"]


def bars(settings: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars of reports a second; one colour a setting."""
    names = list(dict.fromkeys(name for found in settings.values() for name in found))
    most = max((rate for found in settings.values() for rate in found.values()), default=1.0)
    height = 40 + len(names) * (len(settings) * ROW + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
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


def _bar(top: float, rate: float, most: float, colour: str) -> str:
    wide = (WIDTH - LABEL - 70) * rate / most
    bar = f'<rect x="{LABEL}" y="{top}" width="{wide:.0f}" height="{ROW - 3}" fill="{colour}"/>'
    return f'{bar}<text x="{LABEL + wide + 6:.0f}" y="{top + 13}">{rate:,.0f}</text>'
