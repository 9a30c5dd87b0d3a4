"""A plot of samples, as SVG: a row for each series, a dot for each sample, a line at the median. Nothing to install."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 1000, 390, 30, 56, 40, 46
FONT = 'font-family="sans-serif" font-size="14"'
DOT, SPREAD = 4, 12
COLOURS = ("#1b7837", "#762a83")
TICKS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def plot(title: str, series: Mapping[str, Sequence[float]], unit: str = "ms") -> str:
    """The SVG of ``series``, on a logarithmic axis from below the least value to above the greatest."""
    values = [value for row in series.values() for value in row]
    low = max(tick for tick in (1, *TICKS) if tick <= max(1, min(values)))
    high = min((tick for tick in TICKS if tick >= max(values)), default=max(values))
    height = TOP + ROW * len(series) + BOTTOM

    def x(value: float) -> float:
        part = math.log(max(value, low) / low) / math.log(high / low) if high > low else 0.5
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-weight="bold">{escape(title)}</text>',
    ]
    foot = height - BOTTOM
    for tick in (tick for tick in TICKS if low <= tick <= high):
        lines += [
            f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{foot}" stroke="#ddd"/>',
            f'<text x="{x(tick):.1f}" y="{foot + 20}" text-anchor="middle">{tick} {unit}</text>',
        ]
    for number, (name, row) in enumerate(series.items()):
        lines += _row(name, row, TOP + ROW * number + ROW / 2, COLOURS[number % len(COLOURS)], [x(one) for one in row])
        middle = x(median(row))
        top = TOP + ROW * number + ROW / 2 - SPREAD - 6
        lines.append(
            f'<line x1="{middle:.1f}" y1="{top:.1f}" x2="{middle:.1f}" y2="{top + 2 * SPREAD + 12:.1f}" '
            'stroke="black" stroke-width="2"/>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _row(name: str, row: Sequence[float], y: float, colour: str, places: Sequence[float]) -> list[str]:
    """The name, the median, and the dots: one above the other in turn, so that equal ones can be told apart."""
    label = f"{escape(name)}: {median(row):.0f} (n={len(row)})"
    dots = [
        f'<circle cx="{place:.1f}" cy="{y + (number % 5 - 2) * SPREAD / 2:.1f}" r="{DOT}" fill="{colour}" '
        'fill-opacity="0.55"/>'
        for number, place in enumerate(places)
    ]
    return [f'<text x="{LEFT - 14}" y="{y + 5:.1f}" text-anchor="end">{label}</text>', *dots]
