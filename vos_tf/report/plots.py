"""Plots of scores over time, as SVG to be put into a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 400, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 14, 30, 26
_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


class Line(NamedTuple):
    """One series of a plot.

    Attributes:
        name: What it shows.
        positions: Where on the time axis, int64 ``(T,)``.
        values: float64 ``(T,)``; ``nan`` is left out.
        colour: RGB, 0..255.
    """

    name: str
    positions: NDArray[np.int64]
    values: NDArray[np.float64]
    colour: tuple[int, int, int]


def plot_svg(title: str, lines: Sequence[Line], frames: Sequence[str], top: float = 1.0) -> str:
    """A plot of values (0..``top``) over the frames of a sequence; the lowest point of each line is marked.

    Args:
        title: Heading of the plot.
        lines: What to draw.
        frames: Names of all frames on the time axis.
        top: Highest value of the axis.
    """
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)} over time" '
        'font-family="system-ui,sans-serif" font-size="12">',
        f'<text x="{_LEFT}" y="19" font-weight="600" font-size="13.5" fill="#1b1f24">{escape(title)}</text>',
    ]
    for share in _GRID:
        y = _y(share)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="{"#c9ced6" if share == 0 else "#eceef1"}"/>')
        if share in (0.0, 0.5, 1.0):
            label = f"{share * top:.1f}".rstrip("0").rstrip(".") if share else "0"
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end" fill="#5b6470">{label}</text>')
    parts += _time_axis(frames)
    for line in lines:
        parts += _line_svg(line, frames, top)
    return "".join(parts) + "</svg>"


def _time_axis(frames: Sequence[str]) -> list[str]:
    last = len(frames) - 1
    ticks = sorted({0, last // 2, last})
    anchors = {0: "start", last: "end"}
    return [
        f'<text x="{_x(tick, last)}" y="{_HEIGHT - 8}" text-anchor="{anchors.get(tick, "middle")}" fill="#5b6470">'
        f"{escape(frames[tick])}</text>"
        for tick in ticks
    ]


def _line_svg(line: Line, frames: Sequence[str], top: float) -> list[str]:
    last = len(frames) - 1
    points = [
        (int(at), _x(int(at), last), _y(min(float(value) / top, 1.0)), float(value))
        for at, value in zip(line.positions, line.values, strict=True)
        if not np.isnan(value)
    ]
    if not points:
        return []
    colour = "#{:02x}{:02x}{:02x}".format(*line.colour)
    path = " ".join(f"{x} {y}" for _, x, y, _ in points)
    at, x, y, value = min(points, key=lambda point: point[3])
    note = escape(f"{line.name}: lowest {value:.3f} at {frames[at]}")
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>',
        f'<circle cx="{x}" cy="{y}" r="3.4" fill="{colour}" stroke="#fff"><title>{note}</title></circle>',
    ]


def _x(position: int, last: int) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (position / last if last else 0.5), 1)


def _y(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, 1)
